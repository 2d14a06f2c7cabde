import { describe, expect, it } from 'vitest';
import type { GpuEvent } from './types.js';
import { XidOnce } from './xid-once.js';
import { xidEvent } from './xid.js';

const at = (seconds: number, source: string, code = 79, more: Partial<GpuEvent> = {}): GpuEvent => ({
  ...xidEvent(code, { time: new Date(seconds * 1000), gpu: '3', uuid: 'GPU-3', replay: false, source }),
  ...more,
});

/** Which of the events are news. */
const news = (...events: GpuEvent[]): boolean[] => {
  const once = new XidOnce(10);
  return events.map((event) => once.isNew(event));
};

describe('XidOnce', () => {
  it.each([
    ['kmsg', 'nvml'],
    ['nvml', 'kmsg'],
  ])('tells an XID of %s once that %s tells too', (first, second) => {
    expect(news(at(0, first), at(4, second))).toEqual([true, false]);
    expect(news(at(4, first), at(0, second))).toEqual([true, false]);
  });

  it('tells an XID that happens again', () => {
    expect(news(at(0, 'kmsg'), at(1, 'kmsg'))).toEqual([true, true]);
    expect(news(at(0, 'kmsg'), at(1, 'kmsg'), at(1, 'nvml'), at(1, 'nvml'), at(2, 'nvml'))).toEqual([
      true,
      true,
      false,
      false,
      true,
    ]);
  });

  it('tells what lies too far apart', () => {
    expect(news(at(0, 'kmsg'), at(10, 'nvml'))).toEqual([true, false]);
    expect(news(at(0, 'kmsg'), at(10.001, 'nvml'))).toEqual([true, true]);
  });

  it('tells another code, another GPU, and a replayed one beside a real one', () => {
    expect(news(at(0, 'kmsg'), at(0, 'nvml', 48))).toEqual([true, true]);
    expect(news(at(0, 'kmsg'), at(0, 'nvml', 79, { gpu: '4', uuid: 'GPU-4' }))).toEqual([true, true]);
    expect(news(at(0, 'kmsg'), at(0, 'replay', 79, { replay: true }))).toEqual([true, true]);
  });

  it('knows a GPU by its UUID where the index is not told, and the other way round', () => {
    expect(news(at(0, 'kmsg', 79, { gpu: null }), at(0, 'nvml'))).toEqual([true, false]);
    expect(news(at(0, 'kmsg', 79, { uuid: null }), at(0, 'nvml'))).toEqual([true, false]);
    expect(news(at(0, 'kmsg', 79, { gpu: null, uuid: 'GPU-9' }), at(0, 'nvml'))).toEqual([true, true]);
  });

  it('takes an XID without a GPU for the one that is told with it', () => {
    expect(news(at(0, 'kmsg', 79, { gpu: null, uuid: null }), at(0, 'nvml'))).toEqual([true, false]);
  });

  it('takes a MIG instance and its device for one', () => {
    expect(news(at(0, 'kmsg', 94, { gpu: '3/5', uuid: null }), at(0, 'nvml', 94))).toEqual([true, false]);
  });

  it('lets everything else through', () => {
    const lost = at(0, 'nvml', 79, { kind: 'lost', code: null });
    expect(news(lost, lost)).toEqual([true, true]);
  });

  it('forgets, so that it does not grow', () => {
    const once = new XidOnce(1e9);
    for (let i = 0; i < 5000; i++) expect(once.isNew(at(i, 'kmsg'))).toBe(true);
    expect(once.isNew(at(0, 'nvml'))).toBe(false);
  });
});

import { describe, expect, it } from 'vitest';
import { comparePresence, NOTHING_KNOWN, type Presence } from './presence.js';
import { readSmiXml } from './nvidia-smi-xml.js';
import { withMig } from './testing-smi.js';
import { recording, withGpus } from './testing.js';
import type { GpuEvent, GpuFailureKind, GpuReading, GpuSample } from './types.js';

const xml = await recording('h200-load');
function read(text: string): GpuSample[] {
  const result = readSmiXml(text, { time: new Date(0), source: 'nvml', replay: false });
  if (!result.ok) throw new Error(result.reason);
  return result.samples;
}
const eight = read(withGpus(xml, 8));
const up = (samples: GpuSample[]): GpuReading => ({ state: 'up', source: 'nvml', samples, events: [], notes: [] });
const without = (...gpus: string[]): GpuReading => up(eight.filter((s) => !gpus.includes(s.gpu)));
const failed = (kind: GpuFailureKind): GpuReading => ({ state: 'failed', source: 'nvml', kind, reason: '' });
const none: GpuReading = { state: 'none', source: 'nvml', reason: '' };

/** The events of each reading, in short. */
function play(...readings: GpuReading[]): string[][] {
  let presence: Presence = NOTHING_KNOWN;
  return readings.map((reading, i) => {
    const step = comparePresence(presence, reading, new Date(i));
    presence = step.presence;
    return step.events.map((e: GpuEvent) => `${e.kind} ${e.gpu}`);
  });
}

describe('comparePresence', () => {
  it('says nothing of GPUs that stay, nor of those that it sees first', () => {
    expect(play(without('1', '2'), up(eight), up(eight))).toEqual([[], [], []]);
  });

  it('tells each GPU that vanished once, and once that it is back', () => {
    expect(play(up(eight), without('3'), without('3'), without('3', '5'), without('5'), up(eight))).toEqual([
      [],
      ['lost 3'],
      [],
      ['lost 5'],
      ['returned 3'],
      ['returned 5'],
    ]);
  });

  it('tells which it was', () => {
    const { presence } = comparePresence(NOTHING_KNOWN, up(eight), new Date(1));
    expect(comparePresence(presence, without('3'), new Date(2)).events).toEqual([
      {
        time: new Date(2),
        gpu: '3',
        uuid: eight[3]!.uuid,
        replay: false,
        kind: 'lost',
        code: null,
        class: 'critical',
        meaning: expect.stringMatching(/XID 79/),
        source: 'nvml',
        message: null,
      },
    ]);
  });

  it('knows a GPU by its UUID, whatever its index has become', () => {
    const moved = eight.filter((s) => s.gpu !== '3').map((s, i) => ({ ...s, gpu: String(i) }));
    expect(play(up(eight), up(moved), up(eight))).toEqual([[], ['lost 3'], ['returned 3']]);
  });

  it('knows it by its index where no UUID is told', () => {
    const nameless = eight.map((s) => ({ ...s, uuid: null }));
    expect(play(up(eight), up(nameless), up(nameless.slice(1)), up(eight))).toEqual([
      [],
      [],
      ['lost 0'],
      ['returned 0'],
    ]);
  });

  it('takes another card in the same slot for another', () => {
    const other = eight.map((s) => (s.gpu === '3' ? { ...s, uuid: 'GPU-other' } : s));
    expect(play(up(eight), up(other), up(other))).toEqual([[], ['lost 3'], []]);
  });

  it('says nothing of MIG instances, which an administrator makes and removes', () => {
    const cut = read(withMig(xml, { 3: 1, 4: 2 }));
    expect(cut.map((s) => s.gpu)).toEqual(['0', '0/3', '0/4']);
    expect(play(up(cut), up(cut.slice(0, 2)), up(cut))).toEqual([[], [], []]);
  });

  it('takes every GPU for lost where the source runs and finds none', () => {
    const two = up(eight.slice(0, 2));
    expect(play(two, failed('no-devices'), failed('no-devices'), two)).toEqual([
      [],
      ['lost 0', 'lost 1'],
      [],
      ['returned 0', 'returned 1'],
    ]);
  });

  it('takes the only GPU for the lost one', () => {
    const one = up(eight.slice(0, 1));
    expect(play(one, failed('gpu-lost'), failed('gpu-lost'), one)).toEqual([[], ['lost 0'], [], ['returned 0']]);
  });

  it('waits for the next reading to say which of several it was', () => {
    expect(play(up(eight), failed('gpu-lost'), without('3'))).toEqual([[], [], ['lost 3']]);
    expect(play(up(eight), failed('gpu-lost'), up(eight))).toEqual([[], [], []]);
  });

  it('tells that one is lost where no reading says which', () => {
    const lost = failed('gpu-lost');
    expect(play(up(eight), lost, lost, lost, up(eight))).toEqual([[], [], ['lost null'], [], ['returned null']]);
    expect(play(up(eight), lost, lost, without('3'))).toEqual([[], [], ['lost null'], ['lost 3']]);
  });

  it.each(['driver', 'timeout', 'exit', 'malformed', 'child', 'unreachable', 'aborted'] as const)(
    'does not take a reading that failed (%s) for lost GPUs',
    (kind) => {
      expect(play(up(eight), failed(kind), failed(kind), up(eight))).toEqual([[], [], [], []]);
      expect(play(up(eight), failed(kind), without('3'))).toEqual([[], [], ['lost 3']]);
    },
  );

  it('does not take a removed driver for lost GPUs', () => {
    expect(play(up(eight), none, up(eight))).toEqual([[], [], []]);
  });

  it('says nothing where nothing is known yet', () => {
    expect(play(failed('no-devices'), failed('gpu-lost'), failed('gpu-lost'))).toEqual([[], [], []]);
  });
});

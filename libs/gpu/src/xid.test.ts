import { describe, expect, it } from 'vitest';
import { CRITICAL_XIDS, describeXid, xidEvent } from './xid.js';

describe('describeXid', () => {
  it('takes exactly those for critical after which a GPU cannot be trusted', () => {
    const critical = Array.from({ length: 1000 }, (_, code) => code).filter((c) => describeXid(c).class === 'critical');
    expect(critical).toEqual([48, 62, 64, 74, 79, 95, 119, 120]);
    expect(critical).toEqual([...CRITICAL_XIDS]);
  });

  it.each([94, 109, 140, 154])('warns of %i', (code) => {
    expect(describeXid(code).class).toBe('warning');
  });

  it.each([13, 31, 43, 45, 63, 92])('never alarms for %i', (code) => {
    expect(describeXid(code).class).toBe('application');
  });

  it.each([0, 1, 173, 9999, -1])('says that it does not know %i', (code) => {
    expect(describeXid(code)).toEqual({ class: 'unknown', meaning: expect.stringContaining(`XID ${code} is not in`) });
  });

  it('says each meaning in one sentence', () => {
    for (let code = 0; code < 300; code++) {
      const { meaning } = describeXid(code);
      expect(meaning).toMatch(/^[A-Z].{10,140}\.$/);
    }
  });

  it('makes an event', () => {
    const told = { time: new Date(5), gpu: '3', uuid: 'GPU-3', replay: false, source: 'nvml' };
    expect(xidEvent(79, told)).toEqual({
      ...told,
      kind: 'xid',
      code: 79,
      class: 'critical',
      meaning: expect.stringMatching(/fell off the bus/),
      message: null,
    });
    expect(xidEvent(13, { ...told, message: 'line' }).message).toBe('line');
  });
});

import type { GpuReading, GpuSample } from '@vigil/gpu';
import { describe, expect, it } from 'vitest';
import { LatestGpus } from './gpus.js';

const up = (...gpus: string[]): GpuReading => ({
  state: 'up',
  source: 'nvml',
  samples: gpus.map((gpu) => ({ gpu }) as GpuSample),
  events: [],
  notes: [],
});

describe('LatestGpus', () => {
  it('says nothing before the first reading', () => {
    expect(new LatestGpus().get()).toEqual({ state: null, count: null, readAt: null });
  });

  it('counts devices, not MIG instances', () => {
    const gpus = new LatestGpus();
    gpus.record(up('0', '0/1', '0/2', '1', '10'), new Date(1));
    expect(gpus.get()).toEqual({ state: 'up', count: 3, readAt: new Date(1) });
  });

  it('keeps when they were last read well', () => {
    const gpus = new LatestGpus();
    gpus.record(up('0'), new Date(1));
    gpus.record({ state: 'failed', source: 'nvml', kind: 'timeout', reason: 'r' }, new Date(2));
    expect(gpus.get()).toEqual({ state: 'failed', count: null, readAt: new Date(1) });
    gpus.record({ state: 'failed', source: 'nvml', kind: 'no-devices', reason: 'r' }, new Date(2));
    expect(gpus.get()).toEqual({ state: 'failed', count: 0, readAt: new Date(1) });
    gpus.record({ state: 'none', source: 'nvml', reason: 'r' }, new Date(3));
    expect(gpus.get()).toEqual({ state: 'none', count: 0, readAt: new Date(1) });
  });
});

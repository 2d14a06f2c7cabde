import { UserError } from '@vigil/service';
import { describe, expect, it } from 'vitest';
import {
  beginnings,
  DEFAULT_SCRIPT,
  parseReplayScript,
  readReplayScript,
  stepAt,
  type ReplayScript,
} from './replay-script.js';
import { ReplaySource } from './replay.js';
import type { GpuSample } from './types.js';

const MIB = 2 ** 20;

describe('stepAt', () => {
  const idle = { recording: 'h200-idle', seconds: 5 } as const;
  const load = { recording: 'h200-load', seconds: 2.5 } as const;

  it.each([
    [0, idle],
    [4.999, idle],
    [5, load],
    [7.499, load],
    [7.5, idle],
    [12.5, load],
    [7.5 * 1000 + 1, idle],
  ])('plays a loop at %d s', (elapsed, step) => {
    expect(stepAt({ loop: true, steps: [idle, load] }, elapsed)).toBe(step);
  });

  it.each([
    [4.999, idle],
    [5, load],
    [7.5, load],
    [1e9, load],
  ])('stays at the last step without a loop, at %d s', (elapsed, step) => {
    expect(stepAt({ loop: false, steps: [idle, load] }, elapsed)).toBe(step);
  });
});

describe('beginnings', () => {
  const idle = { recording: 'h200-idle', seconds: 5 } as const;
  const load = { recording: 'h200-load', seconds: 2.5 } as const;
  const at = (loop: boolean, from: number, to: number): number[] =>
    beginnings({ loop, steps: [idle, load] }, from, to).map((b) => b.seconds);

  it('tells each step as it begins, once', () => {
    expect(at(true, -1, 0)).toEqual([0]);
    expect(at(true, 0, 4)).toEqual([]);
    expect(at(true, 4, 5)).toEqual([5]);
    expect(at(true, 5, 7.5)).toEqual([7.5]);
    expect(at(true, 5, 20.1)).toEqual([7.5, 12.5, 15, 20]);
    expect(at(false, -1, 1e6)).toEqual([0, 5]);
    expect(at(false, 5, 1e6)).toEqual([]);
  });

  it('is bounded after years', () => {
    const late = at(true, -1, 1e12);
    expect(late).toHaveLength(1000);
    expect(late.at(-1)).toBeGreaterThan(1e12 - 8);
  });
});

describe('parseReplayScript', () => {
  it('takes steps with overrides', () => {
    const script = {
      loop: true,
      steps: [{ recording: 'h200-load', seconds: 5, memoryUsedRatio: 0.95, powerWatts: 1 }],
    };
    expect(parseReplayScript(JSON.stringify(script), 'a.json')).toEqual(script);
  });

  it('does not loop unless told', () => {
    expect(parseReplayScript('{"steps":[{"recording":"h200-idle","seconds":1}]}', 'a.json').loop).toBe(false);
  });

  it.each([
    ['{', /a\.json is not JSON/],
    ['[]', /a\.json, at its top/],
    ['{"steps":[]}', /at steps: at least one step is expected/],
    [
      '{"steps":[{"recording":"h100","seconds":1}]}',
      /at steps\[0\]\.recording: one of h200-idle, h200-load is expected/,
    ],
    ['{"steps":[{"recording":"h200-idle","seconds":0}]}', /at steps\[0\]\.seconds: more than 0 seconds/],
    ['{"steps":[{"recording":"h200-idle","seconds":"5"}]}', /at steps\[0\]\.seconds: a number of seconds/],
    ['{"steps":[{"recording":"h200-idle","seconds":1,"memoryUsedRatio":95}]}', /memoryUsedRatio: at most 1/],
    ['{"steps":[{"recording":"h200-idle","seconds":1,"memory":1}]}', /steps\[0\].*"memory"/],
    ['{"gpus":17,"steps":[{"recording":"h200-idle","seconds":1}]}', /at gpus: at most 16/],
    ['{"steps":[{"recording":"h200-idle","seconds":1,"missing":["0"]}]}', /missing\[0\]: the index of a GPU/],
    ['{"steps":[{"recording":"h200-idle","seconds":1,"xids":[{"code":0}]}]}', /xids\[0\]\.code: the code of an XID/],
    [
      '{"steps":[{"recording":"h200-idle","seconds":1,"recoveryAction":"reset"}]}',
      /recoveryAction: one of none, gpu_reset/,
    ],
    ['{"loop":"yes","steps":[{"recording":"h200-idle","seconds":1}]}', /at loop: true or false/],
  ])('says what is wrong in %s', (text, sentence) => {
    expect(() => parseReplayScript(text, 'a.json')).toThrow(UserError);
    expect(() => parseReplayScript(text, 'a.json')).toThrow(sentence);
  });

  it('names a file that cannot be read', async () => {
    await expect(readReplayScript('/nonexistent/script.json')).rejects.toThrow(
      /REPLAY_SCRIPT \/nonexistent\/script\.json cannot be read: .*ENOENT/,
    );
  });
});

describe('ReplaySource', () => {
  let seconds = 100;
  const at = async (source: ReplaySource, elapsed: number): Promise<GpuSample> => {
    seconds = 100 + elapsed;
    const reading = await source.read();
    if (reading.state !== 'up') throw new Error(reading.reason);
    return reading.samples[0]!;
  };
  const open = (script?: ReplayScript): Promise<ReplaySource> => {
    seconds = 100;
    return ReplaySource.open({
      elapsed: () => seconds,
      now: () => new Date(seconds * 1000),
      ...(script && { script }),
    });
  };

  it('alternates idle and load by itself, marked as a replay, with the time of now', async () => {
    const source = await open();
    expect(await at(source, 0)).toMatchObject({
      replay: true,
      source: 'replay',
      name: 'NVIDIA H200',
      gpu: '0',
      utilization: 0,
      time: new Date(100_000),
    });
    expect(await at(source, 60)).toMatchObject({ utilization: 1, memoryUsed: 96379 * MIB, time: new Date(160_000) });
    expect(await at(source, 120)).toMatchObject({ utilization: 0, memoryUsed: 0 });
    expect(DEFAULT_SCRIPT.loop).toBe(true);
  });

  it('puts overrides in place of recorded values while their step lasts', async () => {
    const source = await open({
      loop: false,
      steps: [
        {
          recording: 'h200-load',
          seconds: 5,
          memoryUsedRatio: 0.95,
          temperatureCelsius: 91,
          utilizationRatio: 0.5,
          powerWatts: 650,
        },
        { recording: 'h200-load', seconds: 5 },
      ],
    });
    const full = await at(source, 1);
    expect(full).toMatchObject({ temperature: 91, utilization: 0.5, power: 650, memoryTotal: 143771 * MIB });
    expect(full.memoryRatio).toBeCloseTo(0.95, 9);
    expect(full.memoryUsed! / full.memoryTotal!).toBe(full.memoryRatio);
    expect(await at(source, 6)).toMatchObject({ temperature: 58, memoryRatio: 96379 / 143771 });
  });

  it('plays several GPUs, each with a UUID of its own', async () => {
    const source = await open({ loop: false, gpus: 16, steps: [{ recording: 'h200-load', seconds: 5 }] });
    const reading = await source.read();
    const samples = reading.state === 'up' ? reading.samples : [];
    expect(samples.map((s) => s.gpu)).toEqual(Array.from({ length: 16 }, (_, i) => String(i)));
    expect(new Set(samples.map((s) => s.uuid)).size).toBe(16);
    expect(samples[0]!.uuid).toBe('GPU-00000000-1111-2222-3333-444444444444');
    for (const { uuid } of samples) expect(uuid).toMatch(/^GPU-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/);
  });

  it('leaves GPUs out that are missing, and fails as a driver does without any', async () => {
    const source = await open({
      loop: false,
      gpus: 2,
      steps: [
        { recording: 'h200-load', seconds: 5, missing: [1] },
        { recording: 'h200-load', seconds: 5, missing: [0, 1] },
        { recording: 'h200-load', seconds: 5 },
      ],
    });
    const gpus: unknown[] = [];
    for (const elapsed of [0, 5, 10]) {
      seconds = 100 + elapsed;
      const reading = await source.read();
      gpus.push(
        reading.state === 'up' ? reading.samples.map((s) => s.gpu) : reading.state === 'failed' && reading.kind,
      );
    }
    expect(gpus).toEqual([['0'], 'no-devices', ['0', '1']]);
  });

  it('changes the values of some GPUs only where the step says which', async () => {
    const source = await open({
      loop: false,
      gpus: 3,
      steps: [
        {
          recording: 'h200-load',
          seconds: 5,
          only: [1],
          eccUncorrected: 4,
          remapFailed: true,
          recoveryAction: 'gpu_reset',
          throttleReasons: ['hw_thermal_slowdown'],
        },
      ],
    });
    const reading = await source.read();
    const samples = reading.state === 'up' ? reading.samples : [];
    expect(samples.map((s) => [s.eccUncorrected, s.remapFailed, s.recoveryAction, s.throttleReasons])).toEqual([
      [0, false, 'none', ['sw_power_cap']],
      [4, true, 'gpu_reset', ['hw_thermal_slowdown']],
      [0, false, 'none', ['sw_power_cap']],
    ]);
  });

  it('tells the XIDs of each step once, dated to its beginning', async () => {
    const source = await open({
      loop: true,
      gpus: 4,
      steps: [
        { recording: 'h200-idle', seconds: 5 },
        { recording: 'h200-load', seconds: 5, xids: [{ code: 79, gpu: 3 }, { code: 13 }], missing: [3] },
      ],
    });
    const events = async (elapsed: number) => {
      seconds = 100 + elapsed;
      const reading = await source.read();
      return reading.state === 'up' ? reading.events.map((e) => [e.code, e.gpu, e.time.getTime() / 1000, e.class]) : [];
    };
    expect(await events(0)).toEqual([]);
    expect(await events(6)).toEqual([
      [79, '3', 105, 'critical'],
      [13, '0', 105, 'application'],
    ]);
    expect(await events(9)).toEqual([]);
    expect((await events(27)).map(([code, , at]) => [code, at])).toEqual([
      [79, 115],
      [13, 115],
      [79, 125],
      [13, 125],
    ]);
  });

  it('plays nothing once closed', async () => {
    const source = await open();
    await source.close();
    expect(await source.read()).toMatchObject({ state: 'failed', kind: 'aborted' });
  });
});

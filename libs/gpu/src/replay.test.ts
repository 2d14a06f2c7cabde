import { UserError } from '@vigil/service';
import { describe, expect, it } from 'vitest';
import { DEFAULT_SCRIPT, parseReplayScript, readReplayScript, stepAt, type ReplayScript } from './replay-script.js';
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

  it('plays nothing once closed', async () => {
    const source = await open();
    await source.close();
    expect(await source.read()).toMatchObject({ state: 'failed', kind: 'aborted' });
  });
});

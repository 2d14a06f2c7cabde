import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parse, stringify } from 'yaml';

/** The three rules that every installation has. */
export const RULES = ['GpuMemoryHigh', 'ResponseLatencyHigh', 'ErrorRatioHigh'] as const;

/** Long enough to hold many requests, short enough to watch. */
const WINDOW = '15s';
const HOLD = '8s';

/**
 * Copies the three rules with their windows shortened; signals and thresholds stay as they are. The GPU rule looks at
 * replayed GPUs alone, so that a real one beside takes no part.
 */
export async function writeDemoRules(source: string, target: string): Promise<void> {
  await rm(target, { recursive: true, force: true });
  await mkdir(target, { recursive: true });
  for (const file of (await readdir(source)).filter((name) => name.endsWith('.yaml'))) {
    const rule = parse(await readFile(join(source, file), 'utf8')) as Record<string, unknown>;
    if (!RULES.includes(rule.alert as (typeof RULES)[number])) continue;
    if (rule.over !== undefined) rule.over = WINDOW;
    if (rule.for !== undefined) rule.for = HOLD;
    if (rule.alert === 'GpuMemoryHigh') rule.where = { replay: 'true' };
    await writeFile(join(target, file), stringify(rule));
  }
}

/** A GPU that idles, fills up, and is emptied again: the recordings of a real one, with their memory overridden. */
export const REPLAY_SCRIPT = {
  loop: false,
  steps: [
    { recording: 'h200-idle', seconds: 10, memoryUsedRatio: 0.41 },
    { recording: 'h200-load', seconds: 6, memoryUsedRatio: 0.78 },
    { recording: 'h200-load', seconds: 34, memoryUsedRatio: 0.968 },
    { recording: 'h200-idle', seconds: 3600, memoryUsedRatio: 0.52 },
  ],
};

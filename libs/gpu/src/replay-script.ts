import { readFile } from 'node:fs/promises';
import { errorMessage, UserError } from '@vigil/service';
import { z } from 'zod';
import { RECOVERY_ACTIONS, THROTTLE_REASONS } from './types.js';

/** The recordings that can be played, by the names of their files in `fixtures/nvidia-smi`. */
export const RECORDINGS = ['h200-idle', 'h200-load'] as const;
export type RecordingName = (typeof RECORDINGS)[number];

const ratio = z
  .number('a number from 0 to 1 is expected')
  .min(0, 'at least 0 is expected')
  .max(1, 'at most 1 is expected');

const gpuIndex = z
  .int('the index of a GPU is expected')
  .min(0, 'the index of a GPU, from 0, is expected')
  .max(15, 'at most 15 is expected, the last of 16 GPUs');
const truth = z.boolean('true or false is expected');
const count = z.int('a whole number is expected').min(0, 'at least 0 is expected');

const replayXid = z.strictObject({
  code: z.int('the code of an XID is expected').min(1, 'the code of an XID is expected').max(9999),
  gpu: gpuIndex.optional(),
});

const replayStep = z.strictObject({
  recording: z.enum(RECORDINGS, { error: `one of ${RECORDINGS.join(', ')} is expected` }),
  seconds: z.number('a number of seconds is expected').positive('more than 0 seconds are expected').max(86_400),
  /** Values that stand in place of the recorded ones while the step lasts. */
  memoryUsedRatio: ratio.optional(),
  utilizationRatio: ratio.optional(),
  temperatureCelsius: z.number('a number is expected').min(-50).max(200).optional(),
  powerWatts: z.number('a number is expected').min(0).max(10_000).optional(),
  throttleReasons: z
    .array(z.enum(THROTTLE_REASONS, { error: `one of ${THROTTLE_REASONS.join(', ')} is expected` }))
    .optional(),
  eccCorrected: count.optional(),
  eccUncorrected: count.optional(),
  remapPending: truth.optional(),
  remapFailed: truth.optional(),
  recoveryAction: z.enum(RECOVERY_ACTIONS, { error: `one of ${RECOVERY_ACTIONS.join(', ')} is expected` }).optional(),
  /** GPUs that these values hold for; all unless told. */
  only: z.array(gpuIndex).optional(),
  /** GPUs that are missing while the step lasts. */
  missing: z.array(gpuIndex).optional(),
  /** XIDs that are told once, as the step begins; of GPU 0 unless told. */
  xids: z.array(replayXid).max(100, 'at most 100 XIDs are expected').optional(),
});

const replayScript = z.strictObject({
  /** Begin again after the last step; otherwise the last step stays. */
  loop: truth.default(false),
  /** GPUs of the machine, each with a UUID of its own; one unless told. */
  gpus: z
    .int('a number of GPUs is expected')
    .min(1, 'at least 1 is expected')
    .max(16, 'at most 16 are expected')
    .optional(),
  steps: z.array(replayStep).min(1, 'at least one step is expected').max(1000, 'at most 1000 steps are expected'),
});

export type ReplayStep = z.output<typeof replayStep>;
export type ReplayScript = z.output<typeof replayScript>;

/** A minute idle, a minute at work, for ever. */
export const DEFAULT_SCRIPT: ReplayScript = {
  loop: true,
  steps: [
    { recording: 'h200-idle', seconds: 60 },
    { recording: 'h200-load', seconds: 60 },
  ],
};

/** The step that plays `elapsedSeconds` after the start. A step lasts from its begin up to, not including, its end. */
export function stepAt(script: ReplayScript, elapsedSeconds: number): ReplayStep {
  const total = script.steps.reduce((sum, step) => sum + step.seconds, 0);
  let left = script.loop ? elapsedSeconds % total : elapsedSeconds;
  for (const step of script.steps) {
    if (left < step.seconds) return step;
    left -= step.seconds;
  }
  return script.steps.at(-1)!;
}

/** Beginnings of steps that one reading may come too late for; of more only the last are told. */
const MAX_BEGINNINGS = 1000;

/**
 * The steps that begin after `fromSeconds` and up to `toSeconds`, with when. Pure. A script's first step begins at 0, which
 * a `fromSeconds` below 0 takes in.
 */
export function beginnings(
  script: ReplayScript,
  fromSeconds: number,
  toSeconds: number,
): { step: ReplayStep; seconds: number }[] {
  const total = script.steps.reduce((sum, step) => sum + step.seconds, 0);
  const found: { step: ReplayStep; seconds: number }[] = [];
  const rounds = Math.ceil(MAX_BEGINNINGS / script.steps.length);
  const lastRound = script.loop ? Math.floor(toSeconds / total) : 0;
  const firstRound = script.loop ? Math.max(Math.floor(fromSeconds / total), lastRound - rounds, 0) : 0;
  for (let round = firstRound; round <= lastRound; round++) {
    let seconds = round * total;
    for (const step of script.steps) {
      if (seconds > fromSeconds && seconds <= toSeconds) found.push({ step, seconds });
      seconds += step.seconds;
    }
  }
  return found.slice(-MAX_BEGINNINGS);
}

/**
 * Checks the text of a script.
 * @throws UserError one sentence a mistake, naming `file` and the place in it
 */
export function parseReplayScript(text: string, file: string): ReplayScript {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new UserError(`REPLAY_SCRIPT ${file} is not JSON: ${errorMessage(error)}. Correct the file.`);
  }
  const result = replayScript.safeParse(value);
  if (result.success) return result.data;
  const sentences = result.error.issues.map((issue) => {
    const place = issue.path.map((key) => (typeof key === 'number' ? `[${key}]` : `.${String(key)}`)).join('');
    return `REPLAY_SCRIPT ${file}, at ${place === '' ? 'its top' : place.replace(/^\./, '')}: ${issue.message}.`;
  });
  throw new UserError(sentences.join('\n'));
}

/** @throws UserError where the file cannot be read or is wrong */
export async function readReplayScript(file: string): Promise<ReplayScript> {
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (error) {
    throw new UserError(`REPLAY_SCRIPT ${file} cannot be read: ${errorMessage(error)}. Name a readable JSON file.`);
  }
  return parseReplayScript(text, file);
}

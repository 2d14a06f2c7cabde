import { readFile } from 'node:fs/promises';
import { errorMessage, UserError } from '@vigil/service';
import { z } from 'zod';

/** The recordings that can be played, by the names of their files in `fixtures/nvidia-smi`. */
export const RECORDINGS = ['h200-idle', 'h200-load'] as const;
export type RecordingName = (typeof RECORDINGS)[number];

const ratio = z
  .number('a number from 0 to 1 is expected')
  .min(0, 'at least 0 is expected')
  .max(1, 'at most 1 is expected');

const replayStep = z.strictObject({
  recording: z.enum(RECORDINGS, { error: `one of ${RECORDINGS.join(', ')} is expected` }),
  seconds: z.number('a number of seconds is expected').positive('more than 0 seconds are expected').max(86_400),
  /** Values that stand in place of the recorded ones while the step lasts. */
  memoryUsedRatio: ratio.optional(),
  utilizationRatio: ratio.optional(),
  temperatureCelsius: z.number('a number is expected').min(-50).max(200).optional(),
  powerWatts: z.number('a number is expected').min(0).max(10_000).optional(),
});

const replayScript = z.strictObject({
  /** Begin again after the last step; otherwise the last step stays. */
  loop: z.boolean('true or false is expected').default(false),
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

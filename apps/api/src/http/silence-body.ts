import { parseDuration } from '@vigil/service';
import { z } from 'zod';
import { matchers } from '../notify/settings/schema.js';
import { badParameter } from './errors.js';

/** A year: what shall never be told is a matter of the rule, not of a silence. */
const LONGEST_SECONDS = 366 * 86_400;

const missing = (what: string) => ({
  error: (issue: { input?: unknown }) =>
    issue.input === undefined ? `is missing: ${what} is expected` : `must be ${what}`,
});
const words = (what: string, max: number) =>
  z
    .string(missing(what))
    .trim()
    .min(1, `is empty: ${what} is expected`)
    .max(max, `is longer than ${max} characters`)
    .regex(/^[^\0]*$/, 'holds a NUL character');
const TIME = 'a time such as 2026-03-01T10:00:00Z';
const time = z.iso.datetime({ offset: true, ...missing(TIME) }).transform((value) => new Date(value));

export const SILENCE_BODY = z.strictObject(
  {
    match: matchers.refine(
      (given) => Object.keys(given).length > 0,
      'is empty: a label is expected, such as { "node": "gpu-1" }; { "rule": "*" } silences everything',
    ),
    unless: matchers.default({}),
    startsAt: time.optional(),
    endsAt: time.optional(),
    duration: z.string('must be a duration such as 2h').optional(),
    reason: words('why nobody is to be told', 500),
    createdBy: words('who wants it', 200).optional(),
  },
  { error: 'must be a JSON object with match, reason, and endsAt or duration' },
);

/**
 * From when until when.
 * @throws ApiError (400) where that is not said, twice, or makes no sense
 */
export function spanOf(body: z.output<typeof SILENCE_BODY>, now: Date): { startsAt: Date; endsAt: Date } {
  const { duration } = body;
  const startsAt = body.startsAt ?? now;
  if ((body.endsAt === undefined) === (duration === undefined))
    throw badParameter('Give "endsAt" (a time) or "duration" (such as 2h), and not both: a silence must end.');
  const seconds = duration === undefined ? undefined : parseDuration(duration);
  if (duration !== undefined && !seconds)
    throw badParameter(`"duration" is "${duration}": a duration such as 30m, 2h or 1d is expected.`);
  const endsAt = body.endsAt ?? new Date(startsAt.getTime() + seconds! * 1000);
  if (endsAt <= startsAt || endsAt <= now) throw badParameter('"endsAt" must be later than now and than "startsAt".');
  if (endsAt.getTime() - startsAt.getTime() > LONGEST_SECONDS * 1000)
    throw badParameter('A silence lasts a year at the most. Change the rule where nobody is ever to be told.');
  return { startsAt, endsAt };
}

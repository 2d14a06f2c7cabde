import { AGGREGATES, SIGNALS } from '@vigil/signals';
import { parseDuration } from '@vigil/service';
import { z } from 'zod';
import { NO_DATA, SEVERITIES } from './types.js';

const DURATION = 'a duration such as 30s, 5m or 1h';
const THRESHOLD = 'one of above, below or outside, such as { above: 0.9 } or { outside: [20, 80] }';

const wanted = (what: string) => ({
  error: (issue: { input?: unknown }) =>
    issue.input === undefined ? `is missing: ${what} is expected` : `must be ${what}`,
});

/** A year: times beyond it are a slip, and would leave what dates can hold. */
const MAX_SECONDS = 366 * 86_400;

const seconds = (min: number) =>
  z.union([z.string(), z.literal(0)], wanted(DURATION)).transform((value, context) => {
    const parsed = value === 0 ? 0 : parseDuration(value);
    if (parsed !== undefined && parsed >= min && parsed <= MAX_SECONDS) return parsed;
    const bound = parsed === undefined ? '' : parsed < min ? ` of at least ${min}s` : ' of a year at the most';
    context.addIssue({ code: 'custom', message: `is "${value}": ${DURATION}${bound} is expected` });
    return z.NEVER;
  });

/** PostgreSQL holds every character but this one. */
const NO_NUL = [/^[^\0]*$/, 'holds a NUL character'] as const;

const text = (what: string, max: number) =>
  z
    .string(wanted(what))
    .trim()
    .min(1, `is empty: ${what} is expected`)
    .max(max, `is longer than ${max} characters`)
    .regex(...NO_NUL);

const number = z.number('must be a number').optional();

/** A condition as it is written. */
const condition = z
  .strictObject(
    {
      above: number.describe('Holds where the value is greater'),
      below: number.describe('Holds where the value is less'),
      outside: z
        .tuple([z.number('must be a number'), z.number('must be a number')], wanted('two numbers such as [20, 80]'))
        .refine(([low, high]) => low < high, 'must be two numbers, the lesser one first')
        .optional()
        .describe('Holds where the value is less than the first or greater than the second'),
    },
    wanted(THRESHOLD),
  )
  .refine((given) => Object.values(given).filter((v) => v !== undefined).length === 1, `must be ${THRESHOLD}`);

const signal = text('the id of a signal such as gpu.memory.ratio', 100).describe(
  'What is measured, see docs/SIGNALS.md',
);
const aggregate = z
  .enum(AGGREGATES, wanted(`one of ${AGGREGATES.join(', ')}`))
  .optional()
  .describe('What becomes of the readings in the window; the mean unless given');
const over = seconds(1).optional().describe('Length of the window that is looked at, such as 5m');
const where = z
  .record(
    z.string(),
    z.union([z.string().regex(...NO_NUL), z.number(), z.boolean()], wanted('a text')),
    wanted('labels with their values, such as { model: r1 }'),
  )
  .default({});

const levels = z
  .strictObject(Object.fromEntries(SEVERITIES.map((severity) => [severity, condition.optional()])), {
    error: 'must be severities with their conditions, such as { warning: { above: 0.8 }, critical: { above: 0.9 } }',
  })
  .refine(
    (given) => Object.keys(given).length > 1,
    'must name two severities or more; one is "condition" and "severity"',
  );

const also = z.strictObject(
  {
    signal,
    aggregate,
    over,
    where: where.describe('Only series of that signal with these values'),
    condition: condition.describe('What must hold of it'),
  },
  { error: 'must be a mapping with a signal and a condition' },
);

/** The fields of a rule file, as they are written and as they are read. */
export const FIELDS = z.strictObject(
  {
    alert: text('a name such as GpuMemoryHigh', 100)
      .regex(/^[A-Za-z_]\w*$/, 'must be a name of letters, digits and underscores, such as GpuMemoryHigh')
      .describe('The name, once among all rules'),
    enabled: z
      .boolean(wanted('true or false'))
      .default(true)
      .describe('Whether it is evaluated without RULES_ENABLE naming it'),
    signal,
    aggregate,
    over,
    comparedWith: seconds(60)
      .optional()
      .describe('Divides the value by what it was so long ago, such as 7d; the condition is about that ratio'),
    condition: condition.optional().describe('What must hold of the value'),
    levels: levels
      .optional()
      .describe('Several conditions, each with its severity, in place of condition and severity'),
    and: z
      .array(also, wanted('a list of signals with their conditions'))
      .max(5, 'names more than five signals')
      .default([])
      .describe('Other signals whose conditions must hold as well, for the same labels'),
    minSamples: z
      .int('must be a whole number such as 20')
      .min(1, 'must be at least 1')
      .optional()
      .describe('How many requests a value must rest on; on fewer the condition does not hold'),
    for: seconds(0).default(0).describe('How long the condition must hold before the alert fires'),
    keepFiring: seconds(0).default(0).describe('How long the condition must be gone before the alert is over'),
    by: z
      .array(z.string('must be the name of a label'), wanted('a list of labels such as [node, gpu]'))
      .optional()
      .describe('One alert for each set of these labels; all of the signal unless given'),
    where: where.describe('Only series with these values'),
    noData: z
      .enum(NO_DATA, wanted(`one of ${NO_DATA.join(', ')}`))
      .default('keep')
      .describe('When data end: keep what fires (told once), ok ends it, alert fires'),
    noDataFor: seconds(0).default(0).describe('How long data must be missing before that means anything'),
    severity: z.enum(SEVERITIES, wanted(`one of ${SEVERITIES.join(', ')}`)).optional(),
    summary: text('a text that says what is wrong', 500).describe(
      'A sentence; {{ $labels.NAME }}, {{ $value }} and {{ $value | percent }} are filled in',
    ),
    action: text('a path to a runbook such as docs/runbooks/gpu-memory-high.md', 500)
      .refine(
        (given) => !/^\w+:/.test(given) || (/^https?:\/\/\S+$/.test(given) && URL.canParse(given)),
        'must be a path to a runbook or an http(s) address',
      )
      .describe('The runbook: a path or an http(s) address'),
  },
  { error: 'must be a mapping of fields' },
);

export type Fields = z.output<typeof FIELDS>;
export type ConditionFields = z.output<typeof condition>;

/** Which fields there are where a field is not known. */
export function knownFields(path: readonly PropertyKey[]): readonly string[] {
  const last = path.findLast((key) => typeof key === 'string');
  if (last === undefined) return Object.keys(FIELDS.shape);
  if (last === 'and') return Object.keys(also.shape);
  return last === 'levels' ? SEVERITIES : ['above', 'below', 'outside'];
}

/** A JSON Schema that editors complete rule files from. It knows the words; what depends on the signal the API says. */
export function ruleSchema(): object {
  const schema = z.toJSONSchema(FIELDS, { io: 'input', unrepresentable: 'any' }) as Schema;
  const ids = SIGNALS.flatMap(({ id }) => (id.endsWith('.mean') ? [id, id.slice(0, -'.mean'.length)] : [id]));
  const labels = [...new Set(SIGNALS.flatMap((known) => known.labels))];
  const clause = schema.properties!['and']!.items!;
  for (const { properties } of [schema, clause]) properties!['signal'] = { ...properties!['signal'], enum: ids };
  schema.properties!['by']!.items = { enum: labels };
  const one = { required: ['condition', 'severity'], not: { required: ['levels'] } };
  const several = { required: ['levels'], not: { anyOf: [{ required: ['condition'] }, { required: ['severity'] }] } };
  return { ...schema, title: 'Alert rule of Vigil', oneOf: [one, several] };
}

interface Schema {
  properties?: Record<string, Schema>;
  items?: Schema;
  [key: string]: unknown;
}

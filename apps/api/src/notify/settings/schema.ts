import { parseDuration } from '@vigil/service';
import { z } from 'zod';
import { PSEUDO_LABELS, type Matchers } from '../routing/match.js';

/** The form of the file that NOTIFY_FILE names. Messages go after the field's name, and never repeat a secret. */

const wanted = (what: string) => ({
  error: (issue: { input?: unknown }) =>
    issue.input === undefined ? `is missing: ${what} is expected` : `must be ${what}`,
});

const text = (what: string, max = 500) =>
  z.string(wanted(what)).trim().min(1, `is empty: ${what} is expected`).max(max, `is longer than ${max} characters`);

const DURATION = 'a duration such as 30s, 5m or 4h';
const seconds = (min: number, max: number) =>
  z.union([z.string(), z.literal(0)], wanted(DURATION)).transform((value, context) => {
    const parsed = value === 0 ? 0 : parseDuration(value);
    if (parsed !== undefined && parsed >= min && parsed <= max) return parsed;
    const bounds = parsed === undefined ? '' : ` from ${min}s to ${max}s`;
    context.addIssue({ code: 'custom', message: `is "${value}": ${DURATION}${bounds} is expected` });
    return z.NEVER;
  });

const SECRET = 'env:NAME or file:PATH, as a secret does not belong into this file';
/** A secret by reference. */
export const secret = z.string(wanted(SECRET)).regex(/^(env:[A-Za-z_]\w*|file:.+)$/, `must be ${SECRET}`);
const ADDRESS = 'an address such as https://host/path, env:NAME or file:PATH';
const address = z.string(wanted(ADDRESS)).regex(/^(env:[A-Za-z_]\w*|file:.+|https?:\/\/.+)$/, `must be ${ADDRESS}`);

const robot = { url: secret, secret: secret.optional() };
const mailbox = text('an address such as night@example.org', 320).regex(
  /^[^\r\n]*[^\s<>@,;]+@[^\s<>@,;]+>?$/,
  'must be an address such as night@example.org',
);

const receiver = z
  .strictObject(
    {
      slack: z
        .strictObject(
          {
            url: secret.optional(),
            token: secret.optional(),
            channel: text('a channel such as #alerts', 80).optional(),
          },
          wanted('a mapping with url, or with token and channel'),
        )
        .refine(
          ({ url, token, channel }) => (url !== undefined) !== (token !== undefined && channel !== undefined),
          'must have url (an incoming webhook), or token and channel (a bot)',
        )
        .optional(),
      webhook: z
        .strictObject(
          {
            url: address,
            form: z.enum(['plain', 'alertmanager'], wanted('one of plain, alertmanager')).default('plain'),
            bearer: secret.optional(),
          },
          wanted('a mapping with url'),
        )
        .optional(),
      alertmanager: z
        .strictObject({ url: address, bearer: secret.optional() }, wanted('a mapping with url'))
        .optional(),
      email: z
        .strictObject(
          {
            server: z
              .string(wanted('smtp://host:port, env:NAME or file:PATH'))
              .regex(
                /^(env:[A-Za-z_]\w*|file:.+|smtps?:\/\/[^@]+)$/,
                'must be smtp://host:port, env:NAME or file:PATH; with a password env:NAME or file:PATH',
              ),
            from: mailbox,
            to: z.array(mailbox, wanted('a list of addresses')).min(1, 'is empty: an address is expected').max(50),
            tls: z.enum(['required', 'if offered'], wanted('one of required, if offered')).optional(),
          },
          wanted('a mapping with server, from and to'),
        )
        .optional(),
      dingtalk: z.strictObject(robot, wanted('a mapping with url and secret')).optional(),
      feishu: z.strictObject(robot, wanted('a mapping with url and secret')).optional(),
      wecom: z.strictObject({ url: secret }, wanted('a mapping with url')).optional(),
    },
    wanted('a mapping with one of slack, webhook, alertmanager, email, dingtalk, feishu, wecom'),
  )
  .refine(
    (given) => Object.values(given).filter((value) => value !== undefined).length === 1,
    'must have exactly one of slack, webhook, alertmanager, email, dingtalk, feishu, wecom',
  );

export type ReceiverSettings = z.output<typeof receiver>;

const pattern = z
  .union([z.string(), z.number(), z.boolean()], wanted('a text such as gpu-*, or a list of them'))
  .transform(String);

/** Labels with what they must be: one text or several, `*` standing for anything. */
export const matchers = z
  .record(
    z.string().min(1).max(100),
    z.union([pattern, z.array(pattern).min(1)], wanted('a text such as gpu-*, or a list of them')),
    wanted('labels with their values, such as { severity: critical }'),
  )
  .transform((given): Matchers =>
    Object.fromEntries(Object.entries(given).map(([label, value]) => [label, [value].flat()])),
  );

const label = z
  .string('must be the name of a label')
  .regex(/^[a-z_][a-z0-9_]*$/i, `must be the name of a label, or one of ${PSEUDO_LABELS.join(', ')}`);

const route = z.strictObject(
  {
    match: matchers.default({}),
    unless: matchers.default({}),
    to: z.union(
      [
        text('the name of a receiver', 60).transform((name) => [name]),
        z.array(text('the name of a receiver', 60)).min(1, 'is empty: a receiver is expected'),
      ],
      wanted('a receiver, or a list of them'),
    ),
    continue: z.boolean('must be true or false').default(false),
    group: z.array(label, wanted('a list of labels such as [rule, node]')).optional(),
    wait: seconds(0, 3600).optional(),
    repeat: seconds(60, 30 * 86_400).optional(),
    quiet: text('the name of quiet hours', 60).optional(),
  },
  wanted('a mapping with match and to'),
);

export type RouteSettings = z.output<typeof route>;

const DAYS = ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat'] as const;
const CLOCK = "a time such as '22:00', in quotes";
const clock = z.string(wanted(CLOCK)).transform((value, context) => {
  const match = /^([01]?\d|2[0-3]):([0-5]\d)$/.exec(value);
  if (match) return Number(match[1]) * 60 + Number(match[2]);
  context.addIssue({ code: 'custom', message: `is "${value}": ${CLOCK} is expected` });
  return z.NEVER;
});

const quiet = z.strictObject(
  {
    from: clock,
    to: clock,
    zone: text('a time zone such as Europe/Berlin', 60).refine(
      isZone,
      'must be a time zone such as Europe/Berlin or UTC',
    ),
    days: z
      .array(z.enum(DAYS, wanted(`one of ${DAYS.join(', ')}`)), wanted(`a list of ${DAYS.join(', ')}`))
      .min(1, 'is empty: a day is expected')
      .default([...DAYS])
      .transform((days) => days.map((day) => DAYS.indexOf(day))),
  },
  wanted('a mapping with from, to and zone'),
);

function isZone(zone: string): boolean {
  try {
    new Intl.DateTimeFormat('en', { timeZone: zone }).format();
    return true;
  } catch {
    return false;
  }
}

const NAME = /^[A-Za-z][\w-]{0,59}$/;
const named = <T extends z.ZodType>(of: T, what: string) =>
  z.record(z.string().regex(NAME, 'must be a name of letters, digits, - and _'), of, wanted(what));

export const fileSchema = z.strictObject(
  {
    receivers: named(receiver, 'receivers by name'),
    routes: z.array(route, wanted('a list of routes')).min(1, 'is empty: a route is expected'),
    quiet: named(quiet, 'quiet hours by name').default({}),
  },
  wanted('a mapping with receivers and routes'),
);

export type FileSettings = z.output<typeof fileSchema>;

/** Names that may stand at a place, for what a mistyped one was meant to be. */
export function fieldsAt(path: readonly PropertyKey[]): string[] {
  const [top, , inner] = path;
  if (top === undefined) return Object.keys(fileSchema.shape);
  if (top === 'routes') return Object.keys(route.shape);
  if (top === 'quiet') return Object.keys(quiet.shape);
  if (inner === undefined) return Object.keys(receiver.shape);
  const one = receiver.shape[inner as keyof typeof receiver.shape] as { unwrap(): { shape: object } } | undefined;
  return one ? Object.keys(one.unwrap().shape) : [];
}

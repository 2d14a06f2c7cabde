import { z } from 'zod';

/** Bounds of what is kept of one alert; what is longer is cut, as an alert in other words is better than none. */
const LABELS = 64;
const NAME_LENGTH = 200;
const VALUE_LENGTH = 1000;
const ANNOTATION_LENGTH = 4000;
/** Alerts in one webhook; Alertmanager itself cuts by `max_alerts`. */
const ALERTS = 1000;

const texts = (length: number) =>
  z.record(z.string(), z.string(), { error: 'must be texts by name' }).transform((given) =>
    Object.fromEntries(
      Object.entries(given)
        .slice(0, LABELS)
        .map(([name, value]) => [clean(name, NAME_LENGTH), clean(value, length)]),
    ),
  );

/** PostgreSQL's text holds neither NUL nor half a surrogate pair. */
const clean = (text: string, length: number): string =>
  text.replaceAll('\0', '').toWellFormed().slice(0, length).toWellFormed();

const time = z.string('must be a time').transform((text, context) => {
  const parsed = Date.parse(text);
  if (!Number.isNaN(parsed)) return new Date(parsed);
  context.addIssue({ code: 'custom', message: 'must be a time such as 2026-03-01T10:00:00Z' });
  return z.NEVER;
});

/** What is read of Alertmanager's webhooks, version 4; the rest is left alone. */
export const WEBHOOK = z.object(
  {
    version: z.string('is missing: a webhook of Alertmanager is expected'),
    receiver: z
      .string('must be a text')
      .default('')
      .transform((text) => clean(text, NAME_LENGTH)),
    alerts: z
      .array(
        z.object({
          status: z.enum(['firing', 'resolved'], { error: 'must be firing or resolved' }),
          labels: texts(VALUE_LENGTH),
          annotations: texts(ANNOTATION_LENGTH).default({}),
          startsAt: time,
          endsAt: time.optional(),
          generatorURL: z
            .string('must be a text')
            .default('')
            .transform((text) => clean(text, ANNOTATION_LENGTH)),
          fingerprint: z
            .string('must be a text')
            .regex(/^[0-9a-fA-F]{1,64}$/, 'must be hex digits')
            .optional(),
        }),
        { error: 'must be a list of alerts' },
      )
      .max(ALERTS, `holds more than ${ALERTS} alerts: set max_alerts in Alertmanager`),
  },
  { error: 'must be a webhook of Alertmanager' },
);

export type Webhook = z.output<typeof WEBHOOK>;
export type ReceivedAlert = Webhook['alerts'][number];

/**
 * Whether an alert is one of ours that comes back by way of an Alertmanager: it links to where this API shows it. Such alerts
 * are left out, as they are here already.
 */
export const isOurs = ({ generatorURL }: Pick<ReceivedAlert, 'generatorURL'>, publicUrl: string): boolean =>
  generatorURL.startsWith(`${publicUrl}/api/v1/alerts`);

/** Alertmanager says of an alert that goes on that it ends in the year 1. */
export const endOf = ({ status, endsAt }: ReceivedAlert, now: Date): Date | null =>
  status === 'firing' ? null : endsAt && endsAt.getTime() > 0 ? endsAt : now;

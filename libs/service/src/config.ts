import { readFileSync } from 'node:fs';
import { z } from 'zod';
import { errorMessage, UserError } from './errors.js';

export type Environment = Readonly<Record<string, string | undefined>>;

/**
 * Reads a configuration from the environment. The schema is a flat object whose keys are the variables' names.
 * An empty value counts as unset. A secret may lie in a file: `DATABASE_URL_FILE` names the one that holds `DATABASE_URL`.
 *
 * @throws UserError one sentence a wrong variable, naming it, what it holds and what it may hold.
 */
export function readConfig<S extends z.ZodObject>(schema: S, env: Environment = process.env): z.output<S> {
  const given: Record<string, string> = {};
  for (const name of Object.keys(schema.shape)) {
    const value = env[name]?.trim() || (isSecret(name) ? readSecretFile(name, env) : undefined);
    if (value !== undefined && value !== '') given[name] = value;
  }
  const result = schema.safeParse(given);
  if (result.success) return result.data;
  const sentences = result.error.issues.map((issue) => {
    const name = String(issue.path[0] ?? '');
    const held = given[name] === undefined ? 'is not set' : isSecret(name) ? 'is wrong' : `is "${given[name]}"`;
    return `${name} ${held}: ${issue.message}.`;
  });
  throw new UserError(sentences.join('\n'));
}

/** What the file holds that `NAME_FILE` names; the variable itself wins. Its content is never printed. */
function readSecretFile(name: string, env: Environment): string | undefined {
  const path = env[`${name}_FILE`]?.trim();
  if (path === undefined || path === '') return undefined;
  let text: string;
  try {
    text = readFileSync(path, 'utf8').trim();
  } catch (error) {
    throw new UserError(
      `${name}_FILE names ${path}, which can not be read (${errorMessage(error)}). Set it to a file that this user may read, or set ${name}.`,
    );
  }
  if (text === '')
    throw new UserError(`${name}_FILE names ${path}, which is empty. Write the value of ${name} into it.`);
  return text;
}

/** Values of such variables are never printed. */
export function isSecret(name: string): boolean {
  return /(_KEYS?|TOKEN|SECRET|PASSWORD|_URL)$/.test(name) && !/^(OTEL_EXPORTER_OTLP_ENDPOINT)$/.test(name);
}

/** A TCP port; 0 asks the system for a free one. */
export const port = (preset: number) => integer(preset, 0, 65535);

/** A whole number within bounds. */
export const integer = (preset: number, min: number, max: number) =>
  z
    .string()
    .default(String(preset))
    .transform(Number)
    .refine((n) => Number.isInteger(n) && n >= min && n <= max, `a whole number from ${min} to ${max} is expected`);

/** A number within bounds. */
export const decimal = (preset: number, min: number, max: number) =>
  z
    .string()
    .default(String(preset))
    .transform(Number)
    .refine((n) => Number.isFinite(n) && n >= min && n <= max, `a number from ${min} to ${max} is expected`);

/** `true`/`false`, `1`/`0`, `yes`/`no`, `on`/`off`. */
export const flag = (preset: boolean) =>
  z
    .string()
    .default(String(preset))
    .refine((v) => /^(true|false|1|0|yes|no|on|off)$/i.test(v), 'true or false is expected')
    .transform((v) => /^(true|1|yes|on)$/i.test(v));

/** One of a few words. */
export const oneOf = <const T extends readonly [string, ...string[]]>(words: T, preset: T[number]) =>
  z.enum(words, { error: `one of ${words.join(', ')} is expected` }).default(preset as never);

/** An http or https URL. */
export const httpUrl = () =>
  z.string().refine((v) => {
    try {
      return /^https?:$/.test(new URL(v).protocol);
    } catch {
      return false;
    }
  }, 'a URL that begins with http:// or https:// is expected');

const SECONDS: Record<string, number> = { ms: 0.001, s: 1, m: 60, h: 3600, d: 86_400, w: 604_800 };

/**
 * Reads a duration such as `250ms`, `15s`, `10m`, `1h30m` (Prometheus's form).
 * @returns seconds, or `undefined` where the text is not a duration.
 */
export function parseDuration(text: string): number | undefined {
  if (!/^(\d+(ms|s|m|h|d|w))+$/.test(text)) return undefined;
  let seconds = 0;
  for (const [, digits, unit] of text.matchAll(/(\d+)(ms|s|m|h|d|w)/g)) seconds += Number(digits) * SECONDS[unit!]!;
  return seconds;
}

/** Seconds as the shortest duration that says them: 86400 is `1d`. */
function spell(seconds: number): string {
  const [unit, size] = Object.entries(SECONDS).findLast(([, size]) => Number.isInteger(seconds / size)) ?? ['s', 1];
  return `${seconds / size}${unit}`;
}

/** The longest that a timer of Node.js waits, in seconds; a longer one would end at once. */
export const LONGEST_TIMER = 2_147_483;

/** A duration such as `15s` or `10m`, in seconds. */
export const duration = (preset: string, min = 0, max = Infinity) =>
  z
    .string()
    .default(preset)
    .transform((v, context) => {
      const seconds = parseDuration(v);
      if (seconds !== undefined && seconds >= min && seconds <= max) return seconds;
      const bounds = `${min > 0 ? `, at least ${spell(min)},` : ''}${max < Infinity ? `, at most ${Math.floor(max / 86_400)}d,` : ''}`;
      context.addIssue({ code: 'custom', message: `a duration such as 500ms, 15s or 10m${bounds} is expected` });
      return z.NEVER;
    });

const BYTES: Record<string, number> = { '': 1, B: 1, KiB: 2 ** 10, MiB: 2 ** 20, GiB: 2 ** 30, TiB: 2 ** 40 };

/** A size such as `512KiB`, `10MiB` or plain bytes, in bytes. */
export const bytes = (preset: string) =>
  z
    .string()
    .default(preset)
    .transform((v, context) => {
      const match = /^(\d+)\s*(B|KiB|MiB|GiB|TiB)?$/.exec(v);
      if (match) return Number(match[1]) * BYTES[match[2] ?? '']!;
      context.addIssue({ code: 'custom', message: 'a size such as 512KiB, 10MiB or 2GiB is expected' });
      return z.NEVER;
    });

/** What every process of Vigil reads. */
export const commonConfig = z.object({
  HOST: z.string().default('127.0.0.1').describe('Address to listen on'),
  NODE_NAME: z.string().max(253).optional().describe("This machine's name in every signal; its host name unless set"),
  LOG_LEVEL: oneOf(['trace', 'debug', 'info', 'warn', 'error'], 'info').describe('Least severe log line to write'),
  DATA_DIR: z.string().default('.vigil').describe('Folder for spools, the embedded PostgreSQL and logs'),
});

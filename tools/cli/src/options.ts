import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { UserError } from '@vigil/service';

/** Wrong usage: exit code 2. */
export class UsageError extends UserError {}

/** `--help` was asked for: the message is the answer. */
export class HelpWanted extends Error {}

type Kind = 'text' | 'file' | 'count' | 'flag';
type Value<K extends Kind> = K extends 'count' ? number : K extends 'flag' ? boolean : string;
export type Options<S extends Record<string, Kind>> = { [Name in keyof S]?: Value<S[Name]> };

const MOST = 1e9;

/** As `parseOptions`, with words beside them: files and folders, from where the command was given. */
export function parseWithPaths<S extends Record<string, Kind>>(
  args: readonly string[],
  usage: string,
  kinds: S,
): { options: Options<S>; paths: string[] } {
  const { options, words } = parse(args, usage, kinds, true);
  return { options, paths: words.map((word) => String(convert('path', 'file', word))) };
}

/**
 * Reads `--name value` and `--flag`. Files are relative to the folder that the command was given in, which is not this
 * process's own: npm and the launcher start it in the repository.
 * @throws UsageError a sentence; HelpWanted for `--help`
 */
export function parseOptions<S extends Record<string, Kind>>(
  args: readonly string[],
  usage: string,
  kinds: S,
): Options<S> {
  return parse(args, usage, kinds, false).options;
}

function parse<S extends Record<string, Kind>>(
  args: readonly string[],
  usage: string,
  kinds: S,
  allowPositionals: boolean,
): { options: Options<S>; words: string[] } {
  const types = Object.fromEntries(
    Object.entries(kinds).map(([name, kind]) => [
      name,
      { type: kind === 'flag' ? ('boolean' as const) : ('string' as const) },
    ]),
  );
  let values: Record<string, string | boolean | undefined>;
  let words: string[];
  try {
    const all = { ...types, help: { type: 'boolean' as const, short: 'h' } };
    ({ values, positionals: words } = parseArgs({ args: [...args], options: all, strict: true, allowPositionals }));
  } catch (error) {
    throw new UsageError(`${(error as Error).message.replace(/\.? To specify.*$/s, '')}.\n\n${usage}`);
  }
  if (values['help'] === true) throw new HelpWanted(usage);
  const read: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(values))
    if (value !== undefined) read[name] = convert(name, kinds[name]!, value);
  return { options: read as Options<S>, words };
}

function convert(name: string, kind: Kind, value: string | boolean): unknown {
  if (typeof value === 'boolean') return value;
  const text = value.trim();
  if (text === '') throw new UsageError(`--${name} is empty: give it a value, or leave it out.`);
  if (kind === 'file') return resolve(process.env['INIT_CWD'] ?? process.cwd(), text);
  if (kind !== 'count') return text;
  const plain = text.replaceAll(/[_,]/g, '');
  const factor = /k$/i.test(plain) ? 1024 : 1;
  const n = Number(plain.replace(/k$/i, '')) * factor;
  if (!/^\d+k?$/i.test(plain) || n < 1 || n > MOST)
    throw new UsageError(`--${name} is "${text}": a whole number from 1 is expected, such as 8192 or 8k.`);
  return n;
}

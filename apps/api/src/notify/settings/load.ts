import { readFileSync } from 'node:fs';
import { relative, resolve } from 'node:path';
import { UserError, type Environment } from '@vigil/service';
import type { z } from 'zod';
import type { AllowPrivate } from '../../config.js';
import type { Receiver } from '../receivers/types.js';
import type { QuietHours } from '../routing/quiet.js';
import { PLAIN, type Route } from '../routing/route.js';
import { buildReceiver } from './build.js';
import { readYaml } from './lines.js';
import { fieldsAt, fileSchema, type FileSettings, type RouteSettings } from './schema.js';

/** Who is told of what. */
export interface Notify {
  receivers: Receiver[];
  routes: Route[];
}

const MAX_BYTES = 256 * 1024;
/** How long a group is waited for unless the route says, in seconds. */
const GROUP_WAIT = 10;

/**
 * Reads the file that NOTIFY_FILE names.
 * @param taken names of receivers that the environment gives
 * @throws UserError one line a mistake: `notify.yaml:7: …`; no line holds a secret
 */
export function loadNotifyFile(
  path: string,
  options: { environment: Environment; allow: AllowPrivate; taken: readonly string[] },
): Notify {
  let source: string;
  try {
    source = readFileSync(path, 'utf8');
  } catch (error) {
    const reason = (error as NodeJS.ErrnoException).code ?? String(error);
    throw new UserError(
      `The file ${path} can't be read (${reason}). Set NOTIFY_FILE to one that can, or take it away.`,
    );
  }
  const near = relative(process.cwd(), resolve(path));
  const parsed = parseNotifyFile(source, near.startsWith('..') ? path : near, { ...options, file: resolve(path) });
  if (parsed.problems.length > 0) throw new UserError(parsed.problems.join('\n'));
  return parsed.notify!;
}

/** Reads the text of such a file. @param name as people shall see it */
export function parseNotifyFile(
  source: string,
  name: string,
  options: { file: string; environment: Environment; allow: AllowPrivate; taken: readonly string[] },
): { notify?: Notify; problems: string[] } {
  if (source.length > MAX_BYTES) return { problems: [`${name}:1: The file is larger than ${MAX_BYTES / 1024} KiB.`] };
  const yaml = readYaml(source);
  if (yaml.errors.length > 0)
    return { problems: yaml.errors.map(({ line, mistake }) => `${name}:${line}: ${mistake}`) };
  const found: { line: number; mistake: string }[] = [];
  const report = (path: readonly PropertyKey[], mistake: string) => found.push({ line: yaml.lineOf(path), mistake });
  const parsed = fileSchema.safeParse(yaml.data);
  if (!parsed.success) for (const issue of parsed.error.issues) reportIssue(issue, report);
  const notify = parsed.success ? build(parsed.data, options, report) : undefined;
  const problems = found.toSorted((a, b) => a.line - b.line).map(({ line, mistake }) => `${name}:${line}: ${mistake}`);
  return { problems: [...new Set(problems)], ...(problems.length === 0 && notify && { notify }) };
}

type Report = (path: readonly PropertyKey[], mistake: string) => void;

function reportIssue(issue: z.core.$ZodIssue, report: Report): void {
  if (issue.code === 'unrecognized_keys') {
    const known = fieldsAt(issue.path).join(', ');
    for (const key of issue.keys) report([...issue.path, key], `There is no field "${key}" here; there are ${known}.`);
  } else if (issue.code === 'invalid_key' || issue.path.length === 0) {
    const [inner] = issue.code === 'invalid_key' ? issue.issues : [];
    report(
      issue.path,
      `${issue.path.length === 0 ? 'The file' : `"${String(issue.path.at(-1))}"`} ${inner?.message ?? issue.message}.`,
    );
  } else report(issue.path, `"${issue.path.join('.')}" ${issue.message}.`);
}

function build(
  settings: FileSettings,
  options: { file: string; environment: Environment; allow: AllowPrivate; taken: readonly string[] },
  report: Report,
): Notify {
  const receivers: Receiver[] = [];
  for (const [name, given] of Object.entries(settings.receivers)) {
    if (options.taken.includes(name))
      report(
        ['receivers', name],
        `The name "${name}" is taken by the receiver that the environment gives: rename this one.`,
      );
    const field = (path: string[], mistake: string) =>
      report(['receivers', name, ...path], `"receivers.${name}.${path.join('.')}" ${mistake}.`);
    const made = buildReceiver(name, given, { ...options, report: field });
    if (made) receivers.push(made);
  }
  const known = [...Object.keys(settings.receivers), ...options.taken];
  const routes = settings.routes.map((route, i) => buildRoute(route, i, settings, known, report));
  const last = settings.routes.at(-1)!;
  if (Object.keys(last.match).length > 0 || Object.keys(last.unless).length > 0)
    report(
      ['routes', settings.routes.length - 1],
      'The last route must take every alert, so that none is told to nobody: end with one that has "to" alone.',
    );
  return { receivers, routes };
}

function buildRoute(
  route: RouteSettings,
  index: number,
  settings: FileSettings,
  known: readonly string[],
  report: Report,
): Route {
  for (const name of route.to)
    if (!known.includes(name))
      report(['routes', index, 'to'], `There is no receiver "${name}"; there are ${known.join(', ')}.`);
  const quiet = route.quiet === undefined ? null : quietOf(route.quiet, settings);
  if (quiet === undefined) {
    const names = Object.keys(settings.quiet).join(', ') || 'none';
    report(['routes', index, 'quiet'], `There are no quiet hours "${route.quiet}"; there are: ${names}.`);
  }
  const group = route.group ?? null;
  return {
    match: route.match,
    unless: route.unless,
    to: route.to,
    continue: route.continue,
    policy: {
      ...PLAIN,
      group,
      wait: route.wait ?? (group === null ? 0 : GROUP_WAIT),
      repeat: route.repeat ?? null,
      quiet: quiet ?? null,
    },
  };
}

function quietOf(name: string, { quiet }: FileSettings): QuietHours | undefined {
  const given = Object.hasOwn(quiet, name) ? quiet[name] : undefined;
  return given && { name, ...given };
}

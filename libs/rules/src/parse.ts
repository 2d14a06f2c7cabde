import { isMap, isNode, isScalar, LineCounter, parseDocument, type Document } from 'yaml';
import type { z } from 'zod';
import { buildRule, fullStop, type Path, type Report } from './build.js';
import { suggestion } from './nearest.js';
import { FIELDS, knownFields } from './schema.js';
import type { Rule } from './types.js';

/** One mistake in a rule file. */
export interface Problem {
  file: string;
  line: number;
  /** A sentence. */
  mistake: string;
}

export const describeProblem = ({ file, line, mistake }: Problem): string => `${file}:${line}: ${mistake}`;

/** A rule is not larger than that. */
export const MAX_BYTES = 64 * 1024;
export const TOO_LARGE = `The file is larger than ${MAX_BYTES / 1024} KiB: one rule a file is expected.`;
/** So many mistakes of a file are named: what is no rule at all has thousands. */
const MAX_PROBLEMS = 20;

/**
 * Reads one rule file.
 * @param file its name as people shall see it
 * @returns the rule where there is no problem; all problems otherwise
 */
export function parseRule(source: string, file: string): { rule?: Rule; line: number; problems: Problem[] } {
  if (source.length > MAX_BYTES) {
    return { line: 1, problems: [{ file, line: 1, mistake: TOO_LARGE }] };
  }
  const lines = new LineCounter();
  const document = parseDocument(source, { lineCounter: lines, prettyErrors: false, logLevel: 'error' });
  if (document.errors.length > 0) return { line: 1, problems: syntaxProblems(document, lines, file) };
  const lineAt = (path: Path): number => lineOf(document, lines, path);
  const problems: Problem[] = [];
  const report = (path: Path, mistake: string) => {
    if (problems.length < MAX_PROBLEMS) problems.push({ file, line: lineAt(path), mistake });
  };
  if (!isMap(document.contents)) {
    report([], 'The file holds no rule: fields such as "alert: GpuMemoryHigh" are expected.');
    return { line: 1, problems };
  }
  const raw = valueOf(document, report);
  if (!raw) return { line: 1, problems };
  const parsed = FIELDS.safeParse(raw);
  if (!parsed.success) for (const issue of firstByPath(parsed.error.issues)) reportIssue(issue, report);
  const rule = buildRule(raw, parsed.success ? parsed.data : undefined, file, report);
  problems.sort((a, b) => a.line - b.line);
  return { ...(problems.length === 0 && rule ? { rule } : {}), line: lineAt(['alert']), problems };
}

/** The document's value; an alias may stand for nothing, or for so much that it is meant to do harm. */
function valueOf(document: Document, report: Report): Record<string, unknown> | undefined {
  try {
    return document.toJS({ maxAliasCount: 50 }) as Record<string, unknown>;
  } catch (error) {
    report([], `This is not YAML that can be read: ${(error as Error).message.replaceAll(/\s+/g, ' ').trim()}.`);
    return undefined;
  }
}

/** What follows from another mistake at the same place says nothing new. */
const firstByPath = (issues: readonly z.core.$ZodIssue[]): z.core.$ZodIssue[] =>
  issues.filter((issue, i) => issues.findIndex((other) => other.path.join('.') === issue.path.join('.')) === i);

function reportIssue(issue: z.core.$ZodIssue, report: Report): void {
  const known = knownFields(issue.path);
  if (issue.code === 'unrecognized_keys')
    for (const key of issue.keys.slice(0, MAX_PROBLEMS))
      report(
        [...issue.path, key],
        `There is no field "${shorten(key)}"${suggestion(key, known)}${fullStop(suggestion(key, known))}`,
      );
  else report(issue.path, `"${issue.path.join('.')}" ${issue.message}.`);
}

const shorten = (word: string): string => (word.length > 50 ? `${word.slice(0, 49)}…` : word);

function syntaxProblems(document: Document, lines: LineCounter, file: string): Problem[] {
  return document.errors.slice(0, MAX_PROBLEMS).map((error) => ({
    file,
    line: Math.max(1, lines.linePos(error.pos[0]).line),
    mistake:
      error.code === 'MULTIPLE_DOCS'
        ? 'There is a second document: one rule a file is expected.'
        : `This is not YAML: ${error.message.replaceAll(/\s+/g, ' ').trim()}.`,
  }));
}

/** The line of a field's name, or of what holds it where the field is missing. */
function lineOf(document: Document, lines: LineCounter, path: Path): number {
  for (let depth = path.length; depth > 0; depth--) {
    const parent = depth === 1 ? document.contents : document.getIn(path.slice(0, depth - 1), true);
    const last = path[depth - 1];
    const key = isMap(parent) ? parent.items.find((p) => isScalar(p.key) && p.key.value === last)?.key : undefined;
    const node = key ?? document.getIn(path.slice(0, depth), true);
    if (isNode(node) && node.range) return lines.linePos(node.range[0]).line;
  }
  return 1;
}

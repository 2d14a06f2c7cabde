import { isMap, isNode, isScalar, LineCounter, parseDocument, type Document } from 'yaml';
import type { z } from 'zod';
import { fullStop, suggestion } from './nearest.js';

/** One mistake in a file. */
export interface Problem {
  file: string;
  line: number;
  /** A sentence. */
  mistake: string;
}

export const describeProblem = ({ file, line, mistake }: Problem): string => `${file}:${line}: ${mistake}`;

/** Where in a file something stands. */
export type Path = readonly PropertyKey[];
/** Told of every mistake, a sentence each. */
export type Report = (path: Path, mistake: string) => void;

/** No rule is larger than that; reading what is meant to do harm takes time with its square. */
export const MAX_BYTES = 16 * 1024;
/** So many mistakes of a file are named: what is no rule at all has thousands. */
const MAX_PROBLEMS = 20;

/** A file of YAML with its mistakes. */
export interface Read {
  /** What it holds; undefined where that is no mapping. */
  raw: Record<string, unknown> | undefined;
  lineAt: (path: Path) => number;
  report: Report;
  /** What was reported, by line. */
  problems: () => Problem[];
}

/**
 * Reads a mapping in YAML.
 * @param file its name as people shall see it
 * @param expected a sentence, for where it holds something else or too much
 */
export function readDocument(source: string, file: string, expected: string, maxBytes = MAX_BYTES): Read {
  const found: Problem[] = [];
  const problems = () => found.toSorted((a, b) => a.line - b.line);
  const failed = (given: readonly Problem[]): Read => {
    found.push(...given.slice(0, MAX_PROBLEMS));
    return { raw: undefined, lineAt: () => 1, report: () => undefined, problems };
  };
  if (source.length > maxBytes)
    return failed([{ file, line: 1, mistake: `The file is larger than ${maxBytes / 1024} KiB. ${expected}` }]);
  const lines = new LineCounter();
  const document = parseDocument(source, { lineCounter: lines, prettyErrors: false, logLevel: 'error' });
  if (document.errors.length > 0) return failed(syntaxProblems(document, lines, file));
  if (!isMap(document.contents)) return failed([{ file, line: 1, mistake: expected }]);
  const raw = valueOf(document);
  if (typeof raw === 'string') return failed([{ file, line: 1, mistake: raw }]);
  const lineAt = (path: Path): number => lineOf(document, lines, path);
  const report: Report = (path, mistake) => {
    if (found.length < MAX_PROBLEMS) found.push({ file, line: lineAt(path), mistake });
  };
  return { raw, lineAt, report, problems };
}

/** The document's value, or a sentence: an alias may stand for nothing, or for so much that it is meant to do harm. */
function valueOf(document: Document): Record<string, unknown> | string {
  try {
    return document.toJS({ maxAliasCount: 50 }) as Record<string, unknown>;
  } catch (error) {
    return `This is not YAML that can be read: ${oneLine(error as Error)}.`;
  }
}

const oneLine = ({ message }: Error): string => message.replaceAll(/\s+/g, ' ').trim();

function syntaxProblems(document: Document, lines: LineCounter, file: string): Problem[] {
  return document.errors.map((error) => ({
    file,
    line: Math.max(1, lines.linePos(error.pos[0]).line),
    mistake:
      error.code === 'MULTIPLE_DOCS'
        ? 'There is a second document: one rule a file is expected.'
        : `This is not YAML: ${oneLine(error)}.`,
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

/**
 * Says what a schema found wrong.
 * @param known which fields there are at a place
 */
export function reportIssues({ issues }: z.ZodError, known: (path: Path) => readonly string[], report: Report): void {
  for (const issue of firstByPath(issues)) reportIssue(issue, known(issue.path), report);
}

/** What follows from another mistake at the same place says nothing new. */
const firstByPath = (issues: readonly z.core.$ZodIssue[]): z.core.$ZodIssue[] =>
  issues.filter((issue, i) => issues.findIndex((other) => other.path.join('.') === issue.path.join('.')) === i);

function reportIssue(issue: z.core.$ZodIssue, known: readonly string[], report: Report): void {
  if (issue.code === 'unrecognized_keys')
    for (const key of issue.keys.slice(0, MAX_PROBLEMS))
      report(
        [...issue.path, key],
        `There is no field "${shorten(key)}"${suggestion(key, known)}${fullStop(suggestion(key, known))}`,
      );
  else report(issue.path, `"${issue.path.join('.')}" ${issue.message}.`);
}

const shorten = (word: string): string => (word.length > 50 ? `${word.slice(0, 49)}…` : word);

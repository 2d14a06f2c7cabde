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

const MAX_BYTES = 64 * 1024;

/**
 * Reads one rule file.
 * @param file its name as people shall see it
 * @returns the rule where there is no problem; all problems otherwise
 */
export function parseRule(source: string, file: string): { rule?: Rule; line: number; problems: Problem[] } {
  if (source.length > MAX_BYTES) {
    const mistake = `The file is larger than ${MAX_BYTES / 1024} KiB: one rule a file is expected.`;
    return { line: 1, problems: [{ file, line: 1, mistake }] };
  }
  const lines = new LineCounter();
  const document = parseDocument(source, { lineCounter: lines, prettyErrors: false });
  if (document.errors.length > 0) return { line: 1, problems: syntaxProblems(document, lines, file) };
  const lineAt = (path: Path): number => lineOf(document, lines, path);
  const problems: Problem[] = [];
  const report = (path: Path, mistake: string) => problems.push({ file, line: lineAt(path), mistake });
  if (!isMap(document.contents)) {
    report([], 'The file holds no rule: fields such as "alert: GpuMemoryHigh" are expected.');
    return { line: 1, problems };
  }
  const parsed = FIELDS.safeParse(document.toJS());
  if (!parsed.success) for (const issue of firstByPath(parsed.error.issues)) reportIssue(issue, report);
  const raw = document.toJS() as Record<string, unknown>;
  const rule = buildRule(raw, parsed.success ? parsed.data : undefined, file, report);
  problems.sort((a, b) => a.line - b.line);
  return { ...(problems.length === 0 && rule ? { rule } : {}), line: lineAt(['alert']), problems };
}

/** What follows from another mistake at the same place says nothing new. */
const firstByPath = (issues: readonly z.core.$ZodIssue[]): z.core.$ZodIssue[] =>
  issues.filter((issue, i) => issues.findIndex((other) => other.path.join('.') === issue.path.join('.')) === i);

function reportIssue(issue: z.core.$ZodIssue, report: Report): void {
  const known = knownFields(issue.path);
  if (issue.code === 'unrecognized_keys')
    for (const key of issue.keys)
      report(
        [...issue.path, key],
        `There is no field "${key}"${suggestion(key, known)}${fullStop(suggestion(key, known))}`,
      );
  else report(issue.path, `"${issue.path.join('.')}" ${issue.message}.`);
}

function syntaxProblems(document: Document, lines: LineCounter, file: string): Problem[] {
  return document.errors.map((error) => ({
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

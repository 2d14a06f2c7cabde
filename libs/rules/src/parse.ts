import { findSignal, SIGNALS, takesWindow, type Label, type Matchers, type Signal } from '@vigil/signals';
import { isMap, isNode, isScalar, LineCounter, parseDocument, type Document } from 'yaml';
import { z } from 'zod';
import { parseDuration } from '@vigil/service';
import { suggestion } from './nearest.js';
import { parseTemplate, TemplateError, type Template } from './template.js';
import { SEVERITIES, type Rule } from './types.js';

/** One mistake in a rule file. */
export interface Problem {
  file: string;
  line: number;
  /** A sentence. */
  mistake: string;
}

export const describeProblem = ({ file, line, mistake }: Problem): string => `${file}:${line}: ${mistake}`;

const MAX_BYTES = 64 * 1024;
const DURATION = 'a duration such as 30s, 5m or 1h';

const wanted = (what: string) => ({
  error: (issue: { input?: unknown }) =>
    issue.input === undefined ? `is missing: ${what} is expected` : `must be ${what}`,
});

const seconds = (min: number) =>
  z.union([z.string(), z.literal(0)], wanted(DURATION)).transform((value, context) => {
    const parsed = value === 0 ? 0 : parseDuration(value);
    if (parsed !== undefined && parsed >= min) return parsed;
    const bound = parsed === undefined ? '' : ` of at least ${min}s`;
    context.addIssue({ code: 'custom', message: `is "${value}": ${DURATION}${bound} is expected` });
    return z.NEVER;
  });

const text = (what: string, max: number) =>
  z.string(wanted(what)).trim().min(1, `is empty: ${what} is expected`).max(max, `is longer than ${max} characters`);

const THRESHOLD = 'one of above or below with a number, such as { above: 0.9 }';

const FIELDS = z.strictObject(
  {
    alert: text('a name such as GpuMemoryHigh', 100).regex(
      /^[A-Za-z_]\w*$/,
      'must be a name of letters, digits and underscores, such as GpuMemoryHigh',
    ),
    enabled: z.boolean(wanted('true or false')).default(true),
    signal: text('the id of a signal such as gpu.memory.ratio', 100),
    condition: z
      .strictObject(
        { above: z.number('must be a number').optional(), below: z.number('must be a number').optional() },
        wanted(THRESHOLD),
      )
      .refine((c) => (c.above === undefined) !== (c.below === undefined), `must be ${THRESHOLD}`),
    over: seconds(1).optional(),
    for: seconds(0).default(0),
    by: z.array(z.string('must be the name of a label'), wanted('a list of labels such as [node, gpu]')).optional(),
    where: z
      .record(
        z.string(),
        z.union([z.string(), z.number(), z.boolean()], wanted('a text')),
        wanted('labels with their values, such as { model: r1 }'),
      )
      .default({}),
    severity: z.enum(SEVERITIES, wanted(`one of ${SEVERITIES.join(', ')}`)),
    summary: text('a text that says what is wrong', 500),
    action: text('a path to a runbook such as docs/runbooks/gpu-memory-high.md', 500),
  },
  { error: 'must be a mapping of fields' },
);

type Fields = z.output<typeof FIELDS>;
type Path = readonly PropertyKey[];

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
  const rule = build(document, parsed.success ? parsed.data : undefined, file, report);
  problems.sort((a, b) => a.line - b.line);
  return { ...(problems.length === 0 && rule ? { rule } : {}), line: lineAt(['alert']), problems };
}

/** What follows from another mistake at the same place says nothing new. */
const firstByPath = (issues: readonly z.core.$ZodIssue[]): z.core.$ZodIssue[] =>
  issues.filter((issue, i) => issues.findIndex((other) => other.path.join('.') === issue.path.join('.')) === i);

type Report = (path: Path, mistake: string) => void;

function reportIssue(issue: z.core.$ZodIssue, report: Report): void {
  const known = issue.path[0] === 'condition' ? ['above', 'below'] : Object.keys(FIELDS.shape);
  if (issue.code === 'unrecognized_keys')
    for (const key of issue.keys)
      report(
        [...issue.path, key],
        `There is no field "${key}"${suggestion(key, known)}${fullStop(suggestion(key, known))}`,
      );
  else report(issue.path, `"${issue.path.join('.')}" ${issue.message}.`);
}

const fullStop = (end: string): string => (end.endsWith('?') ? '' : '.');

/** What a schema can't know: what depends on the signal. Runs on half-good files too, to name all mistakes at once. */
function build(document: Document, fields: Fields | undefined, file: string, report: Report): Rule | undefined {
  const raw = (document.toJS() ?? {}) as Record<string, unknown>;
  const signal = typeof raw.signal === 'string' ? findSignal(raw.signal) : undefined;
  if (!signal) {
    if (typeof raw.signal === 'string' && raw.signal !== '') {
      const near = suggestion(
        raw.signal,
        SIGNALS.map((s) => s.id),
      );
      report(['signal'], `There is no signal "${raw.signal}"${near}${fullStop(near)}`);
    }
    return undefined;
  }
  checkThreshold(raw.condition, signal, report);
  const window = takesWindow(signal);
  if (window === 'always' && raw.over === undefined)
    report(['signal'], `"over" is missing: ${signal.id} is counted over a window, such as over: 5m.`);
  if (window === 'never' && raw.over !== undefined)
    report(['over'], `"over" has no meaning: ${signal.id} is known at every moment. Leave it out, or take "for".`);
  const by = labels(raw.by, signal, report);
  const where = matchers(raw.where, signal, report);
  const summary = template(raw.summary, [...new Set([...by, ...Object.keys(where)])], report);
  if (!fields || !summary) return undefined;
  const { above, below } = fields.condition;
  return {
    name: fields.alert,
    file,
    enabled: fields.enabled,
    signal,
    condition: above === undefined ? { kind: 'below', threshold: below! } : { kind: 'above', threshold: above },
    over: fields.over ?? null,
    for: fields.for,
    by,
    where,
    severity: fields.severity,
    summary,
    action: fields.action,
  };
}

function checkThreshold(condition: unknown, signal: Signal, report: Report): void {
  if (signal.unit !== '1' || typeof condition !== 'object' || condition === null) return;
  for (const [kind, value] of Object.entries(condition))
    if (typeof value === 'number' && (value < 0 || value > 1))
      report(
        ['condition', kind],
        `"condition.${kind}" is ${value}, but ${signal.id} goes from 0 to 1: write 0.9 for 90 %.`,
      );
}

function labels(by: unknown, signal: Signal, report: Report): readonly Label[] {
  if (!Array.isArray(by)) return signal.labels;
  by.forEach((label, i) => {
    if (typeof label !== 'string') return;
    if (!isLabel(label, signal)) report(['by', i], unknownLabel(label, signal));
    else if (by.indexOf(label) < i) report(['by', i], `"by" names ${label} twice.`);
  });
  return by.filter((label) => isLabel(label, signal));
}

function matchers(where: unknown, signal: Signal, report: Report): Matchers {
  if (typeof where !== 'object' || where === null || Array.isArray(where)) return {};
  const result: Record<string, string> = {};
  for (const [label, value] of Object.entries(where))
    if (isLabel(label, signal)) result[label] = String(value);
    else report(['where', label], unknownLabel(label, signal));
  return result;
}

const isLabel = (label: unknown, signal: Signal): label is Label =>
  (signal.labels as readonly unknown[]).includes(label);

const unknownLabel = (label: string, signal: Signal): string =>
  `${signal.id} has no label "${label}"; it has ${signal.labels.join(', ')}.`;

function template(summary: unknown, known: readonly string[], report: Report): Template | undefined {
  if (typeof summary !== 'string') return undefined;
  try {
    return parseTemplate(summary.trim(), known);
  } catch (error) {
    if (!(error instanceof TemplateError)) throw error;
    report(['summary'], `"summary" ${error.message}.`);
    return undefined;
  }
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

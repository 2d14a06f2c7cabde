import { buildRule } from './build.js';
import { readDocument, reportIssues, type Problem } from './document.js';
import { FIELDS, knownFields } from './schema.js';
import type { Rule } from './types.js';

/**
 * Reads one rule file.
 * @param file its name as people shall see it
 * @returns the rule where there is no problem; all problems otherwise
 */
export function parseRule(source: string, file: string): { rule?: Rule; line: number; problems: Problem[] } {
  const expected = 'The file holds no rule: fields such as "alert: GpuMemoryHigh" are expected.';
  const { raw, lineAt, report, problems } = readDocument(source, file, expected);
  if (!raw) return { line: 1, problems: problems() };
  const parsed = FIELDS.safeParse(raw);
  if (!parsed.success) reportIssues(parsed.error, knownFields, report);
  const rule = buildRule(raw, parsed.success ? parsed.data : undefined, file, report);
  const found = problems();
  return { ...(found.length === 0 && rule ? { rule } : {}), line: lineAt(['alert']), problems: found };
}

import { columns, wrap } from '../text.js';
import type { Row, Status } from './types.js';

const MARKS: Readonly<Record<Status, string>> = { pass: '✓', warn: '!', fail: '✗', skip: '–' };
const COLOURS: Readonly<Record<Status, string>> = { pass: '32', warn: '33', fail: '31', skip: '2' };

export interface Summary {
  pass: number;
  warn: number;
  fail: number;
  skip: number;
}

export function summarise(rows: readonly Row[]): Summary {
  const summary: Summary = { pass: 0, warn: 0, fail: 0, skip: 0 };
  for (const { status } of rows) summary[status]++;
  return summary;
}

/** The table for a terminal of so many characters. */
export function printRows(rows: readonly Row[], options: { width: number; colour: boolean }): string {
  const heads = columns(rows.map(({ status, title, measured }) => [MARKS[status], title, measured ?? '']));
  const indent = '     ';
  const width = Math.max(options.width - indent.length, 40);
  const lines = rows.flatMap((row, i) => {
    const head = heads[i]!.trimEnd();
    const mark = options.colour ? `\x1b[${COLOURS[row.status]}m${head.slice(0, 1)}\x1b[0m${head.slice(1)}` : head;
    return [
      mark,
      ...wrap(row.reason, width).map((line) => `${indent}${line}`),
      ...(row.remedy === undefined ? [] : wrap(`→ ${row.remedy}`, width).map((line) => `${indent}${line}`)),
    ];
  });
  const { pass, warn, fail, skip } = summarise(rows);
  return [...lines, '', `✓ ${pass} passed   ! ${warn} to look at   ✗ ${fail} failed   – ${skip} skipped`].join('\n');
}

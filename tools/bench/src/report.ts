import type { Machine } from './machine.js';
import type { BenchResult, Table } from './types.js';

const HEAD = `# Benchmarks

Each section is written by \`npm run bench -- NAME\`, which measures everything in one run on one machine. Run it on yours:
figures of another machine say little.
`;

const escape = (cell: string): string => cell.replaceAll('|', '\\|').replaceAll('\n', ' ');
const line = (cells: readonly string[]): string => `| ${cells.map(escape).join(' | ')} |`;

const table = ({ caption, columns, rows }: Table): string =>
  [`**${caption}**`, '', line(columns), line(columns.map(() => '---')), ...rows.map(line)].join('\n');

/** The section of one benchmark, as Markdown. */
export function section(
  name: string,
  title: string,
  result: BenchResult,
  machine: Machine,
  now: Date,
  command = name,
): string {
  const facts = [
    `- date: ${now.toISOString().slice(0, 16).replace('T', ' ')} UTC`,
    `- machine: ${[machine.cpu, machine.memory, ...machine.gpus, machine.system].join('; ')}`,
    `- Node.js: ${machine.node}`,
    `- command: \`npm run bench -- ${command}\``,
  ];
  const parts = [`## ${name}`, title, facts.join('\n'), ...result.tables.map(table)];
  if (result.notes.length > 0) parts.push(result.notes.map((note) => `- ${note}`).join('\n'));
  return `${parts.join('\n\n')}\n`;
}

/** Puts a section in the place of the one of the same name, or behind the others. */
export function replaceSection(page: string, name: string, text: string): string {
  const [head, ...sections] = (page.trim() === '' ? HEAD : page).split(/^(?=## )/m);
  const isSame = (part: string): boolean => part.startsWith(`## ${name}\n`);
  const at = sections.findIndex(isSame);
  if (at === -1) sections.push(text);
  else sections[at] = text;
  return [head!, ...sections].map((part) => `${part.trim()}\n`).join('\n');
}

/** The same for a terminal: columns side by side. */
export function printable(result: BenchResult): string {
  const tables = result.tables.map(({ caption, columns, rows }) => {
    const widths = columns.map((title, i) => Math.max(title.length, ...rows.map((row) => (row[i] ?? '').length)));
    const show = (cells: readonly string[]): string =>
      cells
        .map((cell, i) => (i === 0 ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!)))
        .join('  ')
        .trimEnd();
    return [caption, show(columns), ...rows.map(show)].join('\n');
  });
  return [...tables, ...result.notes].join('\n\n');
}

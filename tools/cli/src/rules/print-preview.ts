import { formatDuration, formatValue } from '@vigil/signals';
import { columns } from '../text.js';
import type { PreviewAnswer } from './preview.js';

/** Transitions of one set of labels that are printed; the others are in the JSON. */
const MOST = 20;

/** Sets of labels that never fire. */
const MOST_QUIET = 10;

const set = ({ labels }: PreviewAnswer['alerts'][number]): string =>
  `{ ${Object.entries(labels)
    .map(([label, value]) => `${label}: ${value}`)
    .join(', ')} }`;

const moment = (iso: string): string => iso.slice(0, 19).replace('T', ' ');

/** A preview for a person. */
export function printPreview(answer: PreviewAnswer): string {
  const { rule, unit, from, to, step, cutShort, firings, alerts } = answer;
  const write = (value: number | null): string => (value === null ? '–' : formatValue(value, unit));
  const lines = [`${rule}, from ${moment(from)} to ${moment(to)} UTC, looked at every ${formatDuration(step)}`, ''];
  if (alerts.length === 0) lines.push('There are no data of its signal in that time.');
  else lines.push(firings === 0 ? 'It would not have fired.' : `It would have fired ${times(firings)}.`);
  const fired = alerts.filter((alert) => alert.firings > 0);
  const quiet = alerts.filter((alert) => alert.firings === 0);
  for (const alert of fired) {
    const lasted = formatDuration(alert.firingSeconds);
    const span = `from ${write(alert.min)} to ${write(alert.max)}`;
    lines.push('', `${set(alert)}: ${times(alert.firings)}, ${lasted} all in all; ${span}`);
    const told = alert.transitions.filter((transition) => transition.told);
    const rows = told
      .slice(0, MOST)
      .map(({ at, to: state, value, summary }) => [`  ${moment(at)}`, state, write(value), summary]);
    lines.push(...columns(rows));
    if (told.length > MOST) lines.push(`  … and ${told.length - MOST} more; --json has them.`);
  }
  if (quiet.length > 0) lines.push('');
  for (const alert of quiet.slice(0, MOST_QUIET))
    lines.push(`${set(alert)}: never; from ${write(alert.min)} to ${write(alert.max)}`);
  if (quiet.length > MOST_QUIET) lines.push(`… and ${quiet.length - MOST_QUIET} more that never fire.`);
  if (cutShort !== null) lines.push('', `Looked at until ${moment(to)}: ${cutShort}`);
  return lines.join('\n');
}

const times = (n: number): string => (n === 1 ? 'once' : `${n} times`);

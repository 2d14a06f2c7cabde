import { isAddress } from './runbook.js';
import { describeCondition, describeTime, describeValue, lasted, type Message } from './message.js';
import { formatDuration } from '@vigil/signals';

/** Slack refuses longer texts: 150 characters in a header, 2,000 in a field, 3,000 in a section. */
const LIMIT = { header: 150, field: 2000, section: 3000, label: 200 };

const COLOURS = { critical: '#d00000', warning: '#e8a317', info: '#3b82f6', resolved: '#2e9e5b', no_data: '#6b7280' };
const SIGNS = { critical: '🔴', warning: '🟠', info: '🔵', resolved: '🟢', no_data: '⚪' };
const WORDS = { firing: 'Firing', resolved: 'Resolved', no_data: 'No data' };

/**
 * A message for one of Slack's incoming webhooks. The colour needs an attachment, the headline stands above it, and `text`
 * is what notifications and other clients show.
 */
export function toSlack(message: Message): object {
  const { status, context } = message;
  const tone = status === 'firing' ? context.severity : status;
  const headline = `${SIGNS[tone]} ${WORDS[status]}: ${message.rule}${context.replay ? ' (replay)' : ''}`;
  return {
    text: cut(`${headline}: ${escape(context.summary)}`, LIMIT.section),
    blocks: [{ type: 'header', text: { type: 'plain_text', text: cut(headline, LIMIT.header), emoji: true } }],
    attachments: [
      {
        color: COLOURS[tone],
        fallback: cut(escape(context.summary), LIMIT.section),
        blocks: attachmentBlocks(message),
      },
    ],
  };
}

function attachmentBlocks(message: Message): object[] {
  const { status, context, steps } = message;
  const blocks: object[] = [section(`*${escape(context.summary)}*${note(message)}`)];
  blocks.push({
    type: 'section',
    fields: [
      field(
        status === 'firing' ? 'Value' : 'Last value',
        `*${describeValue(message.value, context.unit)}* (alert ${describeCondition(context)})`,
      ),
      field('Where', labelLines(message.labels)),
      field('Since', since(message)),
      field('Severity', context.severity),
    ],
  });
  if (status !== 'resolved' && steps.length > 0)
    blocks.push(section(`*What to do*\n${steps.map((step, i) => `${i + 1}. ${escape(step)}`).join('\n')}`));
  blocks.push({ type: 'context', elements: [{ type: 'mrkdwn', text: cut(footer(message), LIMIT.field) }] });
  return blocks;
}

/** What has to be known before one acts. */
function note({ status, context }: Message): string {
  const notes: string[] = [];
  if (context.replay)
    notes.push(':arrows_counterclockwise: *Replay*: a recording is being played. No GPU of yours is concerned.');
  if (status === 'no_data')
    notes.push(
      'The alert was firing when its data ended. Nobody knows how it stands now: look whether the collector and what it reads still run.',
    );
  if (context.ruleRemoved) notes.push('The rule was removed while it fired; the cause may still be there.');
  return notes.map((text) => `\n${text}`).join('');
}

function since(message: Message): string {
  const { status, at, context } = message;
  const begin = context.activeSince ?? context.firedAt;
  if (begin === null) return describeTime(at);
  const length = formatDuration(lasted(message) ?? 0);
  return status === 'resolved'
    ? `${describeTime(begin)} until ${describeTime(at)}: ${length}`
    : `${describeTime(begin)}, ${length} ago`;
}

/** All labels but the one that the headline tells already. */
function labelLines(labels: Readonly<Record<string, string>>): string {
  const lines = Object.entries(labels)
    .filter(([name]) => name !== 'replay')
    .map(([name, value]) => `${escape(name)}: ${escape(cut(value, LIMIT.label))}`);
  return lines.length > 0 ? lines.join('\n') : 'everywhere';
}

function footer({ context, links }: Message): string {
  const runbook = links.runbook
    ? `<${link(links.runbook)}|Runbook>`
    : isAddress(context.action)
      ? ''
      : escape(context.action);
  return [`<${link(links.alert)}|Alert>`, runbook, escape(context.signal), escape(context.file)]
    .filter((t) => t !== '')
    .join(' · ');
}

const section = (text: string): object => ({
  type: 'section',
  text: { type: 'mrkdwn', text: cut(text, LIMIT.section) },
});

const field = (name: string, text: string): object => ({
  type: 'mrkdwn',
  text: cut(`*${name}*\n${text}`, LIMIT.field),
});

/** Slack reads `&`, `<` and `>`: unescaped, a label could call a channel or hide an address. Line ends become blanks. */
export function escape(text: string): string {
  return text
    .replaceAll(/[\p{Cc}\u2028\u2029]+/gu, ' ')
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;');
}

/** An address between `<` and `|`. */
const link = (address: string): string =>
  address.replaceAll('&', '&amp;').replaceAll('<', '%3C').replaceAll('>', '%3E').replaceAll('|', '%7C');

/** Cuts by characters, never through one. */
function cut(text: string, length: number): string {
  if (text.length <= length) return text;
  return `${text.slice(0, length - 1).replace(/[\ud800-\udbff]$|&[a-z]*$/, '')}…`;
}

import { type Batch, toneOf } from '../batch.js';
import {
  COLOURS,
  cut,
  digest,
  headline as headlineOf,
  notesOf,
  oneLine,
  sinceOf,
  trendLine,
  whyOf,
  type Section,
} from '../digest.js';
import { describeCondition, describeValue, type Message } from '../message.js';
import { isAddress } from '../runbook.js';

/** Slack refuses longer texts: 150 characters in a header, 2,000 in a field, 3,000 in a section. */
const LIMIT = { header: 150, field: 2000, section: 3000, label: 200 };

/** A section of one of many alerts, in characters. */
const SHORT = 600;

/**
 * A message in Slack's form. The colour needs an attachment, the headline stands above it, and `text` is what
 * notifications and other clients show.
 */
export function toSlack(batch: Batch): { text: string; blocks: object[]; attachments: object[] } {
  const [first] = batch.entries;
  const { message } = first!;
  const headline = oneLine(headlineOf(batch));
  const summary = escape(batch.entries.length === 1 ? message.context.summary : listOf(batch));
  return {
    text: cut(`${escape(headline)}: ${summary}`, LIMIT.section),
    blocks: [{ type: 'header', text: { type: 'plain_text', text: cut(headline, LIMIT.header), emoji: true } }],
    attachments: [
      {
        color: COLOURS[toneOf(batch.entries.map((entry) => entry.message))],
        fallback: cut(summary, LIMIT.section),
        blocks: batch.entries.length === 1 ? oneAlert(message) : manyAlerts(batch),
      },
    ],
  };
}

const listOf = (batch: Batch): string => batch.entries.map(({ message }) => message.context.summary).join(' · ');

function oneAlert(message: Message): object[] {
  const { status, context, steps } = message;
  const notes = notesOf(message).map((note) => `\n${note.replace(/^Replay:/, ':arrows_counterclockwise: *Replay*:')}`);
  const trend = trendLine(message);
  const blocks: object[] = [section(`*${escape(context.summary)}*${notes.join('')}`)];
  blocks.push({
    type: 'section',
    fields: [
      field(
        status === 'firing' ? 'Value' : 'Last value',
        `*${describeValue(message.value, context.unit)}* (alert ${describeCondition(context)})${trend && `\n${trend}`}`,
      ),
      field('Where', labelLines(message.labels)),
      field('Since', sinceOf(message)),
      field('Severity', context.severity),
    ],
  });
  const why = whyOf(message);
  if (why.length > 0) blocks.push(section(`*Why*\n${why.map((line) => `• ${escape(line)}`).join('\n')}`));
  if (status !== 'resolved' && steps.length > 0)
    blocks.push(section(`*What to do*\n${steps.map((step, i) => `${i + 1}. ${escape(step)}`).join('\n')}`));
  blocks.push(contextBlock(footer(message)));
  return blocks;
}

function manyAlerts(batch: Batch): object[] {
  const { sections, more } = digest(batch);
  const blocks = sections.map((one) => section(cut(shortText(one), SHORT)));
  if (more > 0) blocks.push(contextBlock(`and ${more} more`));
  return blocks;
}

function shortText({ sign, word, rule, summary, notes, why, facts, links }: Section): string {
  const facts_ = facts.map(({ name, text }) => `${name}: ${escape(text)}`).join(' · ');
  // First what must not be cut off: a link that is cut is none.
  const linked = links.map(({ name, url }) => `<${link(url)}|${name}>`).join(' · ');
  const title = `${sign} *${word}: ${escape(rule)}* · ${linked}`;
  const [first] = why;
  return [
    title,
    escape(cut(summary, 200)),
    ...notes,
    facts_,
    ...(first === undefined ? [] : [escape(cut(first, 200))]),
  ].join('\n');
}

/** All labels but the one that the headline tells already. */
function labelLines(labels: Readonly<Record<string, string>>): string {
  const lines = Object.entries(labels)
    .filter(([name]) => name !== 'replay')
    .map(([name, value]) => `${escape(name)}: ${escape(cut(value, LIMIT.label))}`);
  return lines.length > 0 ? lines.join('\n') : 'everywhere';
}

function footer({ context, links }: Message): string {
  const runbook = links.runbook ?? (isAddress(context.action) ? context.action : null);
  return [
    `<${link(links.alert)}|Alert>`,
    runbook === null ? escape(context.action) : `<${link(runbook)}|Runbook>`,
    escape(context.signal),
    escape(context.file),
  ].join(' · ');
}

const section = (text: string): object => ({
  type: 'section',
  text: { type: 'mrkdwn', text: cut(text, LIMIT.section) },
});

const field = (name: string, text: string): object => ({
  type: 'mrkdwn',
  text: cut(`*${name}*\n${text}`, LIMIT.field),
});

const contextBlock = (text: string): object => ({
  type: 'context',
  elements: [{ type: 'mrkdwn', text: cut(text, LIMIT.field) }],
});

/** Slack reads `&`, `<` and `>`: unescaped, a label could call a channel or hide an address. Line ends become blanks. */
export function escape(text: string): string {
  return oneLine(text).replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}

/** An address between `<` and `|`. */
const link = (address: string): string =>
  address.replaceAll('&', '&amp;').replaceAll('<', '%3C').replaceAll('>', '%3E').replaceAll('|', '%7C');

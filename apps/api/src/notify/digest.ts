import { CALM_SECONDS, thresholdOf } from '@vigil/rules';
import { formatDuration } from '@vigil/signals';
import { toneOf, type Batch, type Tone } from './batch.js';
import { describeCondition, describeTime, describeValue, lasted, type Message } from './message.js';
import { isAddress } from './runbook.js';
import { sparkline } from './sparkline.js';

/** More alerts than these are only counted. */
const SECTIONS = 10;

/** A sentence of an incident, in characters. */
const WHY_LENGTH = 600;

/** What a message says, in plain text that no channel has escaped yet. */
export interface Digest {
  tone: Tone;
  /** `🔴 Firing: GpuMemoryHigh`, or `🔴 3 firing, 1 resolved` for several. */
  headline: string;
  sections: Section[];
  /** Alerts that are not among the sections. */
  more: number;
}

export interface Section {
  sign: string;
  word: string;
  rule: string;
  summary: string;
  /** What has to be known before one acts. */
  notes: string[];
  /** What moved first, how it stands, which requests. */
  why: readonly string[];
  facts: { name: string; text: string }[];
  /** Labels by name; all but the one that the headline tells. */
  where: [string, string][];
  steps: readonly string[];
  links: { name: string; url: string }[];
}

export const COLOURS: Readonly<Record<Tone, string>> = {
  critical: '#d00000',
  warning: '#e8a317',
  info: '#3b82f6',
  resolved: '#2e9e5b',
  no_data: '#6b7280',
};
export const SIGNS: Readonly<Record<Tone, string>> = {
  critical: '🔴',
  warning: '🟠',
  info: '🔵',
  resolved: '🟢',
  no_data: '⚪',
};
export const WORDS: Readonly<Record<Message['status'], string>> = {
  firing: 'Firing',
  resolved: 'Resolved',
  no_data: 'No data',
};

export function digest(batch: Batch): Digest {
  const messages = batch.entries.map(({ message }) => message);
  return {
    tone: toneOf(messages),
    headline: headline(batch),
    sections: messages.slice(0, SECTIONS).map(section).map(withoutStepsTwice),
    more: Math.max(0, messages.length - SECTIONS),
  };
}

/** What to do about several alerts of a rule is said once. */
function withoutStepsTwice(one: Section, index: number, all: readonly Section[]): Section {
  const before = all.slice(0, index).some(({ rule, steps }) => rule === one.rule && steps.length > 0);
  return before ? { ...one, steps: [] } : one;
}

export function headline(batch: Batch): string {
  const messages = batch.entries.map(({ message }) => message);
  const sign = SIGNS[toneOf(messages)];
  const replay = messages.every(({ context }) => context.replay) ? ' (replay)' : '';
  const first = messages[0]!;
  if (messages.length === 1) {
    const still = batch.kind === 'repeat' && first.status === 'firing' ? 'Still firing' : WORDS[first.status];
    return `${sign} ${still}: ${first.rule}${replay}`;
  }
  const count = (status: Message['status']) => messages.filter((message) => message.status === status).length;
  const parts = [
    [count('firing'), batch.kind === 'repeat' ? 'still firing' : 'firing'],
    [count('no_data'), 'without data'],
    [count('resolved'), 'resolved'],
  ] as const;
  const counts = parts.filter(([n]) => n > 0).map(([n, word]) => `${n} ${word}`);
  const group = Object.values(batch.group).filter((value) => value !== '');
  return `${sign} ${counts.join(', ')}${group.length > 0 ? `: ${group.join(', ')}` : ''}${replay}`;
}

function section(message: Message): Section {
  const { context, status } = message;
  const value = `${describeValue(message.value, context.unit)} (alert ${describeCondition(context)})`;
  const chart = trendLine(message);
  return {
    sign: SIGNS[toneOf([message])],
    word: WORDS[status],
    rule: message.rule,
    summary: context.summary,
    notes: notesOf(message),
    why: whyOf(message),
    facts: [
      { name: status === 'firing' ? 'Value' : 'Last value', text: value },
      ...(chart === '' ? [] : [{ name: 'Before', text: chart }]),
      { name: 'Since', text: sinceOf(message) },
      { name: 'Severity', text: context.severity },
    ],
    where: Object.entries(message.labels).filter(([name]) => name !== 'replay'),
    steps: status === 'resolved' ? [] : message.steps,
    links: linksOf(message),
  };
}

/** `▁▁▂▅█ over 30 min`, empty where nothing is known. */
export function trendLine({ trend, context, value }: Message): string {
  const line = trend ? sparkline(trend.values, thresholdOf(context.condition, value)) : '';
  return line === '' ? '' : `${line} over ${formatDuration(trend!.seconds)}`;
}

export function notesOf({ status, context }: Message): string[] {
  const notes: string[] = [];
  if (context.replay) notes.push('Replay: a recording is being played. No GPU of yours is concerned.');
  if (status === 'no_data')
    notes.push(
      'The alert was firing when its data ended. Nobody knows how it stands now: look whether the collector and what it reads still run.',
    );
  if (context.flapping && status === 'firing')
    notes.push(
      `It fires and ends again and again: its end is told once it was calm for ${formatDuration(CALM_SECONDS)}.`,
    );
  if (context.ruleChanged) notes.push('The rule was changed while it fired; the cause may still be there.');
  if (context.ruleRemoved) notes.push('The rule was removed while it fired; the cause may still be there.');
  return notes;
}

/** The sentences of the incident, each short enough for every channel. */
export const whyOf = ({ why = [] }: Message): string[] => why.map((line) => cut(oneLine(line), WHY_LENGTH));

export function sinceOf(message: Message): string {
  const { status, at, context } = message;
  const begin = context.activeSince ?? context.firedAt;
  if (begin === null) return describeTime(at);
  const length = formatDuration(lasted(message) ?? 0);
  return status === 'resolved'
    ? `${describeTime(begin)} until ${describeTime(at)}: ${length}`
    : `${describeTime(begin)}, ${length} ago`;
}

function linksOf({ links, context }: Message): { name: string; url: string }[] {
  const runbook = links.runbook ?? (isAddress(context.action) ? context.action : null);
  return [{ name: 'Alert', url: links.alert }, ...(runbook === null ? [] : [{ name: 'Runbook', url: runbook }])];
}

/** One line without control characters: no label ends a line, or begins one. */
export const oneLine = (text: string): string => text.replaceAll(/[\p{Cc}\u2028\u2029]+/gu, ' ');

/** Cuts by characters, never through one, nor through an entity such as `&amp;`. */
export function cut(text: string, length: number): string {
  if (text.length <= length) return text;
  return `${text.slice(0, length - 1).replace(/[\ud800-\udbff]$|&[a-z]*$/, '')}…`;
}

/** Cuts by bytes of UTF-8, for services that count those. */
export function cutBytes(text: string, bytes: number): string {
  if (Buffer.byteLength(text) <= bytes) return text;
  return `${new TextDecoder().decode(Buffer.from(text).subarray(0, bytes - 3)).replace(/\ufffd+$/, '')}…`;
}

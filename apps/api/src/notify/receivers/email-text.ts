import type { Batch } from '../batch.js';
import { COLOURS, cut, digest, oneLine, type Section } from '../digest.js';

/** `[Vigil] 🔴 Firing: GpuMemoryHigh: GPU 0 …`; the summary only where there is one alert. */
export function subjectOf(batch: Batch): string {
  const { headline } = digest(batch);
  const [first] = batch.entries;
  return `[Vigil] ${headline}${batch.entries.length === 1 ? `: ${first!.message.context.summary}` : ''}`;
}

export function mailText(batch: Batch): string {
  const { headline, sections, more } = digest(batch);
  const parts = sections.map((section) => textOf(section));
  if (more > 0) parts.push(`and ${more} more`);
  return [oneLine(headline), ...parts].join('\n\n');
}

function textOf(section: Section): string {
  const facts = [...section.facts, ...section.where.map(([name, text]) => ({ name, text }))];
  return [
    `${section.sign} ${section.word}: ${section.rule}`,
    section.summary,
    ...section.notes,
    ...facts.map(({ name, text }) => `${name}: ${cut(text, 500)}`),
    ...(section.why.length > 0 ? ['Why'] : []),
    ...section.why.map((line) => `- ${line}`),
    ...(section.steps.length > 0 ? ['What to do'] : []),
    ...section.steps.map((step, i) => `${i + 1}. ${step}`),
    ...section.links.map(({ name, url }) => `${name}: ${url}`),
  ]
    .map(oneLine)
    .join('\n');
}

export function mailHtml(batch: Batch): string {
  const { tone, headline, sections, more } = digest(batch);
  const parts = sections.map(htmlOf);
  if (more > 0) parts.push(`<p>and ${more} more</p>`);
  return `<div style="font:15px/1.5 sans-serif;border-left:4px solid ${COLOURS[tone]};padding-left:12px"><h2>${html(headline)}</h2>${parts.join('')}</div>`;
}

function htmlOf(section: Section): string {
  const facts = [...section.facts, ...section.where.map(([name, text]) => ({ name, text: cut(text, 500) }))];
  const rows = facts.map(({ name, text }) => `<tr><td>${html(name)}&emsp;</td><td>${html(text)}</td></tr>`);
  const steps = section.steps.map((step) => `<li>${code(html(step))}</li>`);
  const why = section.why.map((line) => `<li>${html(line)}</li>`);
  const links = section.links.map(({ name, url }) => `<a href="${html(url)}">${html(name)}</a>`);
  return [
    `<p>${section.sign} <b>${html(section.summary)}</b></p>`,
    ...section.notes.map((note) => `<p>${html(note)}</p>`),
    `<table>${rows.join('')}</table>`,
    ...(why.length > 0 ? [`<p>Why</p><ul>${why.join('')}</ul>`] : []),
    ...(steps.length > 0 ? [`<p>What to do</p><ol>${steps.join('')}</ol>`] : []),
    `<p>${links.join(' · ')}</p>`,
  ].join('');
}

const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

/** Runbooks are written in Markdown. */
const code = (text: string): string => text.replaceAll(/`([^`]+)`/g, '<code>$1</code>');

const html = (text: string): string => oneLine(text).replaceAll(/[&<>"']/g, (sign) => ENTITIES[sign]!);

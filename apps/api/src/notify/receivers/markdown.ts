import type { Batch } from '../batch.js';
import { cut, digest, oneLine, type Section } from '../digest.js';

/** What makes a link, an image, a mention, code or a tag in one of the dialects, and its wide twin, which makes nothing. */
const TWINS: Readonly<Record<string, string>> = {
  '[': '［',
  ']': '］',
  '<': '＜',
  '>': '＞',
  '`': '｀',
  '*': '＊',
  '~': '～',
  '\\': '＼',
  '|': '｜',
  '#': '＃',
};

/**
 * A text that no dialect of Markdown reads anything into. The robots' dialects differ in what a backslash escapes, so
 * what means something is replaced by its wide form, which looks the same to people.
 */
export const plainText = (text: string): string =>
  oneLine(text)
    .replaceAll(/[[\]<>`*~\\|#]/g, (sign) => TWINS[sign]!)
    // A mention needs its sign right before the name.
    .replaceAll('@', '＠');

const address = (url: string): string =>
  url.replaceAll(/[()<>[\]\s"'`\\|]/g, (sign) => `%${sign.charCodeAt(0).toString(16).padStart(2, '0').toUpperCase()}`);

/** A batch as Markdown that the robots of DingTalk and WeCom show: bold, links, lists and line ends. */
export function toMarkdown(batch: Batch): { title: string; text: string } {
  const { headline, sections, more } = digest(batch);
  const title = plainText(cut(headline, 150));
  const isOne = batch.entries.length === 1;
  const parts = sections.map((section) => (isOne ? whole(section) : short(section)));
  if (more > 0) parts.push(`and ${more} more`);
  return { title, text: [`### ${title}`, ...parts].join('\n\n') };
}

function whole(section: Section): string {
  const facts = section.facts.map(({ name, text }) => `- ${name}: ${plainText(text)}`);
  const where = section.where.map(([name, value]) => `- ${plainText(name)}: ${plainText(cut(value, 200))}`);
  const steps = section.steps.map((step, i) => `${i + 1}. ${plainText(step)}`);
  return [
    `**${plainText(section.summary)}**`,
    ...section.notes.map(plainText),
    [...facts, ...where].join('\n'),
    ...(section.why.length > 0 ? ['**Why**', section.why.map((line) => `- ${plainText(line)}`).join('\n')] : []),
    ...(steps.length > 0 ? [`**What to do**`, steps.join('\n')] : []),
    links(section),
  ].join('\n\n');
}

function short(section: Section): string {
  const facts = section.facts.map(({ name, text }) => `${name}: ${plainText(text)}`).join(' · ');
  return `- ${section.sign} **${plainText(section.rule)}**: ${plainText(cut(section.summary, 200))} (${facts}) ${links(section)}`;
}

const links = (section: Section): string =>
  section.links.map(({ name, url }) => `[${name}](${address(url)})`).join(' · ');

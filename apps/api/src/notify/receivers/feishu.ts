import type { Batch, Tone } from '../batch.js';
import { cut, digest, oneLine, type Section } from '../digest.js';
import type { RobotOptions } from './dingtalk.js';
import { feishuSign, postToRobot } from './robots.js';
import type { Receiver } from './types.js';

/** 11232: too many messages; 9499 also says so at times, but mostly that the message is wrong. */
const CODES = { fields: ['code', 'StatusCode'], passing: { 11232: 60, 11233: 60 } };
const COLOURS: Readonly<Record<Tone, string>> = {
  critical: 'red',
  warning: 'orange',
  info: 'blue',
  resolved: 'green',
  no_data: 'grey',
};

/** A robot in a group of Feishu (Lark): a card, whose texts are all plain, so that nothing has to be escaped. */
export const feishu = ({ name, target, secret }: RobotOptions): Receiver => ({
  name,
  kind: 'feishu',
  where: target.url.host,
  render,
  deliver: ({ payload, now }, options) => {
    const seconds = Math.floor(now.getTime() / 1000);
    const signed = secret === undefined ? {} : { timestamp: String(seconds), sign: feishuSign(secret, seconds) };
    return postToRobot(target, { ...signed, ...(payload as object) }, CODES, options);
  },
});

function render(batch: Batch): object {
  const { tone, headline, sections, more } = digest(batch);
  const isOne = batch.entries.length === 1;
  const elements = sections.flatMap((section) => (isOne ? whole(section) : short(section)));
  if (more > 0) elements.push(text(`and ${more} more`));
  return {
    msg_type: 'interactive',
    card: {
      config: { wide_screen_mode: true },
      header: { template: COLOURS[tone], title: plain(cut(headline, 150)) },
      elements,
    },
  };
}

const plain = (content: string): object => ({ tag: 'plain_text', content: oneLine(content) });
const lines = (content: readonly string[]): object => ({
  tag: 'div',
  text: { tag: 'plain_text', content: content.map((line) => oneLine(line)).join('\n') },
});
const text = (content: string): object => lines([content]);
const buttons = ({ links }: Section): object => ({
  tag: 'action',
  actions: links.map(({ name, url }) => ({ tag: 'button', type: 'default', text: plain(name), url })),
});

function whole(section: Section): object[] {
  const where = section.where.map(([name, value]) => ({ name, text: cut(value, 200) }));
  const fields = [...section.facts, ...where].map(({ name, text }) => ({
    is_short: true,
    text: { tag: 'plain_text', content: `${oneLine(name)}\n${oneLine(text)}` },
  }));
  const steps = section.steps.map((step, i) => `${i + 1}. ${step}`);
  return [
    lines([section.summary, ...section.notes]),
    { tag: 'div', fields },
    ...(section.why.length > 0 ? [lines(['Why', ...section.why])] : []),
    ...(steps.length > 0 ? [lines(['What to do', ...steps])] : []),
    buttons(section),
  ];
}

function short(section: Section): object[] {
  const facts = section.facts.map(({ name, text }) => `${name}: ${text}`).join(' · ');
  return [
    lines([`${section.sign} ${section.word}: ${section.rule}`, cut(section.summary, 200), facts]),
    buttons(section),
  ];
}

import { cutBytes } from '../digest.js';
import type { Target } from '../http.js';
import { toMarkdown } from './markdown.js';
import { postToRobot } from './robots.js';
import type { Receiver } from './types.js';

/** A robot takes 20 messages a minute (45009). -1: the system is busy. */
const CODES = { fields: ['errcode'], passing: { 45009: 60, [-1]: 0 } };
/** WeCom refuses a text of more than 4,096 bytes. */
const TEXT_BYTES = 4096;

/** A robot in a group of WeCom. It knows no signature: the key in its address is all there is. */
export const wecom = ({ name, target }: { name: string; target: Target }): Receiver => ({
  name,
  kind: 'wecom',
  where: target.url.host,
  render: (batch) => ({ msgtype: 'markdown', markdown: { content: cutBytes(toMarkdown(batch).text, TEXT_BYTES) } }),
  deliver: ({ payload }, options) => postToRobot(target, payload as object, CODES, options),
});

import { cutBytes } from '../digest.js';
import type { Target } from '../http.js';
import { toMarkdown } from './markdown.js';
import { dingtalkSign, postToRobot } from './robots.js';
import type { Receiver } from './types.js';

/** A robot takes 20 messages a minute, and then nothing for a while (130101). -1: the system is busy. */
const CODES = { fields: ['errcode'], passing: { 130101: 60, 130102: 60, [-1]: 0 } };
/** DingTalk refuses bodies of more than 20,000 bytes. */
const TEXT_BYTES = 16_000;

export interface RobotOptions {
  name: string;
  target: Target;
  /** The key of the robot's signature, where it asks for one. */
  secret?: string | undefined;
}

/** A robot in a group of DingTalk. */
export const dingtalk = ({ name, target, secret }: RobotOptions): Receiver => ({
  name,
  kind: 'dingtalk',
  where: target.url.host,
  render: (batch) => {
    const { title, text } = toMarkdown(batch);
    return { msgtype: 'markdown', markdown: { title, text: cutBytes(text, TEXT_BYTES) } };
  },
  deliver: ({ payload, now }, options) => {
    const url = new URL(target.url);
    if (secret !== undefined) {
      // The signature is good for an hour, so it is made anew for every attempt.
      url.searchParams.set('timestamp', String(now.getTime()));
      url.searchParams.set('sign', dingtalkSign(secret, now.getTime()));
    }
    return postToRobot({ ...target, url }, payload as object, CODES, options);
  },
});

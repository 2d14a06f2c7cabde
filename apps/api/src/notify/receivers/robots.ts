import { createHmac } from 'node:crypto';
import type { Attempt } from '../decide.js';
import { fieldsOf, post, wordOf, type SendOptions, type Target } from '../http.js';

/**
 * What the robots of DingTalk, Feishu and WeCom have in common: they answer 200 whatever happens, with a number in the
 * body that is 0 where the message was taken.
 */
export interface RobotCodes {
  /** Fields that hold the number. */
  fields: readonly string[];
  /** Numbers that pass by themselves, with the seconds to wait. */
  passing: Readonly<Record<number, number>>;
}

export async function postToRobot(
  target: Target,
  body: object,
  codes: RobotCodes,
  options: SendOptions,
): Promise<Attempt> {
  const answer = await post(target, {}, JSON.stringify(body), options);
  if (answer.kind === 'failed') return answer;
  const { status, retryAfter, text } = answer;
  const fields = fieldsOf(text);
  const code = codes.fields.map((name) => fields[name]).find((value) => typeof value === 'number');
  if (code === undefined || (code === 0 && (status < 200 || status > 299))) {
    if (status >= 200 && status < 300)
      return { kind: 'refused', code: 'its answer holds no code', again: { afterSeconds: 0 } };
    return { kind: 'answered', status, retryAfter, code: wordOf(text) };
  }
  if (code === 0) return { kind: 'answered', status, retryAfter, code: null };
  const wait = codes.passing[code];
  return { kind: 'refused', code: `code ${code}`, again: wait !== undefined && { afterSeconds: wait } };
}

/** DingTalk: the secret is the key, and part of the text. `milliseconds` is the time of sending. */
export const dingtalkSign = (secret: string, milliseconds: number): string =>
  createHmac('sha256', secret).update(`${milliseconds}\n${secret}`).digest('base64');

/** Feishu: time and secret together are the key, and the text is empty. `seconds` is the time of sending. */
export const feishuSign = (secret: string, seconds: number): string =>
  createHmac('sha256', `${seconds}\n${secret}`).update('').digest('base64');

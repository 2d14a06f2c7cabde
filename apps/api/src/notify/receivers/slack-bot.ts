import { digest, oneLine, cut } from '../digest.js';
import type { Batch } from '../batch.js';
import type { Attempt } from '../decide.js';
import { fieldsOf, post, wordOf, type SendOptions, type Target } from '../http.js';
import { escape, toSlack } from './slack.js';
import type { Parcel, Receiver } from './types.js';

/** What Slack calls a message. */
interface Reference {
  channel: string;
  ts: string;
}

interface Payload {
  /** The message as it stands now. */
  message: object;
  /** What is new about it, in a line, for the thread. */
  news: string;
}

/** Errors that pass by themselves. */
const PASSING = new Set([
  'fatal_error',
  'internal_error',
  'ratelimited',
  'rate_limited',
  'request_timeout',
  'service_unavailable',
  'team_added_to_org',
]);
/** The message is gone or too old to be changed: a new one is posted. */
const GONE = new Set(['message_not_found', 'cant_update_message', 'edit_window_closed', 'thread_not_found']);

export interface SlackBotOptions {
  name: string;
  /** `https://slack.com/api/`, or where a test listens. */
  api: Target;
  token: string;
  /** A channel's id or name. */
  channel: string;
}

/**
 * A Slack app with a bot token: an alert is one message, which is changed as it goes on, with what happened in its thread.
 * Needs the scope `chat:write`.
 */
export function slackBot({ name, api, token, channel }: SlackBotOptions): Receiver {
  const call = async (method: string, body: object, options: SendOptions): Promise<Attempt> => {
    const target = { ...api, url: new URL(method, api.url) };
    const answer = await post(target, { authorization: `Bearer ${token}` }, JSON.stringify(body), options);
    if (answer.kind === 'failed') return answer;
    const { status, retryAfter, text } = answer;
    if (status !== 200) return { kind: 'answered', status, retryAfter, code: wordOf(text) };
    const fields = fieldsOf(text);
    if (fields.ok === true && typeof fields.ts === 'string' && typeof fields.channel === 'string')
      return {
        kind: 'answered',
        status,
        retryAfter,
        code: null,
        reference: { channel: fields.channel, ts: fields.ts },
      };
    const code = typeof fields.error === 'string' ? wordOf(fields.error) : null;
    if (code === null) return { kind: 'refused', code: 'its answer is not that of Slack', again: { afterSeconds: 0 } };
    return { kind: 'refused', code, again: PASSING.has(code) && { afterSeconds: Number(retryAfter) || 0 } };
  };

  const deliver = async (parcel: Parcel, options: SendOptions): Promise<Attempt> => {
    const { message, news } = parcel.payload as Payload;
    const metadata = { event_type: 'vigil_alert', event_payload: { key: parcel.key } };
    const first = parcel.reference as Reference | null;
    if (first === null) return call('chat.postMessage', { channel, ...message, metadata }, options);
    // An old message that is sent again must not hide how things stand now.
    if (!parcel.isLate) {
      const updated = await call('chat.update', { channel: first.channel, ts: first.ts, ...message }, options);
      if (updated.kind === 'refused' && GONE.has(updated.code))
        return call('chat.postMessage', { channel, ...message, metadata }, options);
      if (!isTaken(updated)) return updated;
    }
    const reply = { channel: first.channel, thread_ts: first.ts, text: news, metadata };
    const replied = await call('chat.postMessage', reply, options);
    // What follows goes on with the first message, not with this reply.
    return isTaken(replied) ? { ...replied, reference: first } : replied;
  };

  return { name, kind: 'slack', where: api.url.host, steps: 3, render, deliver };
}

const isTaken = (attempt: Attempt): attempt is Extract<Attempt, { kind: 'answered' }> =>
  attempt.kind === 'answered' && attempt.status === 200;

function render(batch: Batch): Payload {
  const { headline } = digest(batch);
  const told = batch.kind === 'repeat' ? batch.entries : batch.entries.filter(({ isNew }) => isNew);
  const { sections } = digest({ ...batch, entries: told });
  const lines = sections.map(({ sign, word, summary, facts }) => {
    const facts_ = facts.map(({ name, text }) => `${name}: ${text}`).join(' · ');
    return escape(`${sign} ${word}: ${cut(summary, 300)} (${facts_})`);
  });
  if (told.length > sections.length) lines.push(`and ${told.length - sections.length} more`);
  const news = batch.kind === 'repeat' ? [escape(oneLine(headline)), ...lines] : lines;
  return { message: toSlack(batch), news: news.join('\n') };
}

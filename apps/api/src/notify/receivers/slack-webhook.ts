import { attemptOf, post, type Target } from '../http.js';
import { toSlack } from './slack.js';
import type { Receiver } from './types.js';

/** One of Slack's incoming webhooks: every message stands for itself. */
export const slackWebhook = (name: string, target: Target): Receiver => ({
  name,
  kind: 'slack',
  where: target.url.host,
  render: toSlack,
  deliver: async ({ payload, key }, options) =>
    attemptOf(await post(target, { 'idempotency-key': key }, JSON.stringify(payload), options)),
});

import { attemptOf, post, type Target } from '../http.js';
import { toAlertmanagerForm } from './alertmanager-form.js';
import { toPlain } from './plain.js';
import type { Receiver } from './types.js';

export interface WebhookOptions {
  name: string;
  target: Target;
  form: 'plain' | 'alertmanager';
  bearer?: string | undefined;
}

/** Any HTTP address, in our own plain form or in that of Alertmanager's webhooks. */
export const webhook = ({ name, target, form, bearer }: WebhookOptions): Receiver => ({
  name,
  kind: 'webhook',
  where: target.url.host,
  render: (batch, key) =>
    form === 'plain' ? toPlain(batch, key) : toAlertmanagerForm(batch, originOf(batch.entries[0]!.message.links.alert)),
  deliver: async ({ payload, key }, options) => {
    const headers = { 'idempotency-key': key, ...(bearer !== undefined && { authorization: `Bearer ${bearer}` }) };
    return attemptOf(await post(target, headers, JSON.stringify(payload), options));
  },
});

const originOf = (address: string): string => (URL.canParse(address) ? new URL(address).origin : '');

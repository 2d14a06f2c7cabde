import type { ApiConfig } from '../config.js';
import type { Message } from './message.js';
import { toSlack } from './slack.js';
import { toWebhook } from './webhook.js';

/** Where messages go. The address is a secret: whoever knows it can post. */
export interface Channel {
  name: 'slack' | 'webhook';
  url: URL;
  /** The message in this channel's form. */
  render: (message: Message, key: string) => object;
}

export function channelsOf(config: Pick<ApiConfig, 'SLACK_WEBHOOK_URL' | 'WEBHOOK_URL'>): Channel[] {
  const channels: Channel[] = [];
  if (config.SLACK_WEBHOOK_URL)
    channels.push({ name: 'slack', url: new URL(config.SLACK_WEBHOOK_URL), render: toSlack });
  if (config.WEBHOOK_URL) channels.push({ name: 'webhook', url: new URL(config.WEBHOOK_URL), render: toWebhook });
  return channels;
}

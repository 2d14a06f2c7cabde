import { UserError, type Environment } from '@vigil/service';
import type { AllowPrivate, ApiConfig } from '../../config.js';
import type { Target } from '../http.js';
import { alertmanager } from '../receivers/alertmanager.js';
import { slackBot } from '../receivers/slack-bot.js';
import { slackWebhook } from '../receivers/slack-webhook.js';
import type { Receiver } from '../receivers/types.js';
import { webhook } from '../receivers/webhook.js';
import { PLAIN } from '../routing/route.js';
import { reachOf, SLACK_API, targetOf } from './build.js';
import { loadNotifyFile, type Notify } from './load.js';
import { ReferenceError } from './references.js';

type Given = Pick<
  ApiConfig,
  | 'SLACK_WEBHOOK_URL'
  | 'SLACK_BOT_TOKEN'
  | 'SLACK_CHANNEL'
  | 'SLACK_API_URL'
  | 'WEBHOOK_URL'
  | 'ALERTMANAGER_URL'
  | 'NOTIFY_FILE'
  | 'NOTIFY_ALLOW_PRIVATE'
>;

/**
 * Who is told of what. What the environment names is told everything; the file adds its receivers, and routes between
 * them.
 * @throws UserError a sentence for whatever is wrong
 */
export function notifyOf(config: Given, environment: Environment = process.env): Notify {
  const receivers = fromEnvironment(config);
  const names = receivers.map(({ name }) => name);
  const everything = { match: {}, unless: {}, to: names, continue: true, policy: PLAIN };
  const routes = names.length > 0 ? [everything] : [];
  if (config.NOTIFY_FILE === undefined) return { receivers, routes };
  const allow = config.NOTIFY_ALLOW_PRIVATE;
  const file = loadNotifyFile(config.NOTIFY_FILE, { environment, allow, taken: names });
  return { receivers: [...receivers, ...file.receivers], routes: [...routes, ...file.routes] };
}

/**
 * An address that a variable gives.
 * @throws UserError where it may not be posted to
 */
export function environmentTarget(variable: string, value: string, allow: AllowPrivate): Target {
  try {
    return targetOf(value, reachOf('environment', allow), ['http:', 'https:']);
  } catch (error) {
    throw error instanceof ReferenceError ? new UserError(`${variable} ${error.message}.`) : error;
  }
}

function fromEnvironment(config: Given): Receiver[] {
  const { SLACK_WEBHOOK_URL, SLACK_BOT_TOKEN, SLACK_CHANNEL, WEBHOOK_URL, ALERTMANAGER_URL } = config;
  const target = (variable: string, value: string): Target =>
    environmentTarget(variable, value, config.NOTIFY_ALLOW_PRIVATE);
  if ((SLACK_BOT_TOKEN === undefined) !== (SLACK_CHANNEL === undefined))
    throw new UserError(
      `${SLACK_BOT_TOKEN === undefined ? 'SLACK_BOT_TOKEN' : 'SLACK_CHANNEL'} is not set: a bot needs a token and a channel. Set both, or neither.`,
    );
  const receivers: Receiver[] = [];
  if (SLACK_BOT_TOKEN !== undefined && SLACK_CHANNEL !== undefined) {
    const api = target('SLACK_API_URL', `${(config.SLACK_API_URL ?? SLACK_API).replace(/\/+$/, '')}/`);
    receivers.push(slackBot({ name: 'slack', api, token: SLACK_BOT_TOKEN, channel: SLACK_CHANNEL }));
  } else if (SLACK_WEBHOOK_URL !== undefined)
    receivers.push(slackWebhook('slack', target('SLACK_WEBHOOK_URL', SLACK_WEBHOOK_URL)));
  if (WEBHOOK_URL !== undefined)
    receivers.push(webhook({ name: 'webhook', target: target('WEBHOOK_URL', WEBHOOK_URL), form: 'plain' }));
  if (ALERTMANAGER_URL !== undefined)
    receivers.push(alertmanager({ name: 'alertmanager', target: target('ALERTMANAGER_URL', ALERTMANAGER_URL) }));
  return receivers;
}

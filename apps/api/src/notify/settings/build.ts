import type { Environment } from '@vigil/service';
import { isAllowed, literalAddress, type Reach } from '../address.js';
import type { AllowPrivate } from '../../config.js';
import type { Target } from '../http.js';
import { alertmanager } from '../receivers/alertmanager.js';
import { dingtalk } from '../receivers/dingtalk.js';
import { email } from '../receivers/email.js';
import { feishu } from '../receivers/feishu.js';
import { slackBot } from '../receivers/slack-bot.js';
import { slackWebhook } from '../receivers/slack-webhook.js';
import type { Receiver } from '../receivers/types.js';
import { webhook } from '../receivers/webhook.js';
import { wecom } from '../receivers/wecom.js';
import { ReferenceError, resolveReference } from './references.js';
import type { ReceiverSettings } from './schema.js';

export const SLACK_API = 'https://slack.com/api/';

/** How far an address may lead that came from there. */
export function reachOf(origin: 'environment' | 'file', allow: AllowPrivate): Reach {
  if (allow === 'all') return 'all';
  return allow === 'environment' && origin === 'environment' ? 'private' : 'public';
}

/**
 * An address that may be posted to.
 * @throws ReferenceError where it is none, or a private one that is not allowed; without the address
 */
export function targetOf(value: string, reach: Reach, protocols: readonly string[]): Target {
  const url = URL.canParse(value) ? new URL(value) : undefined;
  if (!url || !protocols.includes(url.protocol) || url.hostname === '')
    throw new ReferenceError(`leads to something that is no address that begins with ${protocols.join('// or ')}//`);
  const literal = literalAddress(url.hostname);
  if (literal !== undefined && !isAllowed(literal, reach))
    throw new ReferenceError(
      'leads to a private address. Set NOTIFY_ALLOW_PRIVATE=all where that is meant, or correct the address',
    );
  return { url, reach };
}

const HTTP = ['http:', 'https:'];
const SMTP = ['smtp:', 'smtps:'];

/**
 * A receiver as the file describes it.
 * @param report called with the field and a sentence's end for whatever is wrong with it
 */
export function buildReceiver(
  name: string,
  settings: ReceiverSettings,
  context: {
    file: string;
    environment: Environment;
    allow: AllowPrivate;
    report: (path: string[], mistake: string) => void;
  },
): Receiver | undefined {
  const { file, environment, allow, report } = context;
  let failed = false;
  const attempt = <T>(path: string[], work: () => T): T | undefined => {
    try {
      return work();
    } catch (error) {
      if (!(error instanceof ReferenceError)) throw error;
      failed = true;
      report(path, error.message);
      return undefined;
    }
  };
  const secret = (path: string[], given: string | undefined) =>
    given === undefined ? undefined : attempt(path, () => resolveReference(given, file, environment).value);
  const target = (path: string[], given: string, protocols = HTTP): Target =>
    attempt(path, () => {
      const { value, origin } = resolveReference(given, file, environment);
      return targetOf(value, reachOf(origin, allow), protocols);
    }) ?? { url: new URL('http://invalid'), reach: 'public' };

  const made = make();
  return failed ? undefined : made;

  function make(): Receiver {
    const { slack, email: mail } = settings;
    if (slack?.url !== undefined) return slackWebhook(name, target(['slack', 'url'], slack.url));
    if (slack) {
      const api = { url: new URL(SLACK_API), reach: 'public' as const };
      return slackBot({ name, api, token: secret(['slack', 'token'], slack.token) ?? '', channel: slack.channel! });
    }
    if (settings.webhook) {
      const { url, form, bearer } = settings.webhook;
      return webhook({
        name,
        target: target(['webhook', 'url'], url),
        form,
        bearer: secret(['webhook', 'bearer'], bearer),
      });
    }
    if (settings.alertmanager) {
      const { url, bearer } = settings.alertmanager;
      const path = 'alertmanager';
      return alertmanager({ name, target: target([path, 'url'], url), bearer: secret([path, 'bearer'], bearer) });
    }
    if (mail) {
      const server = target(['email', 'server'], mail.server, SMTP);
      // A password is not sent in the open, unless that is asked for.
      const requireTls = (mail.tls ?? (server.url.password === '' ? 'if offered' : 'required')) === 'required';
      return email({ name, server, from: mail.from, to: mail.to, requireTls });
    }
    for (const [kind, create] of [
      ['dingtalk', dingtalk],
      ['feishu', feishu],
    ] as const) {
      const robot = settings[kind];
      if (robot)
        return create({
          name,
          target: target([kind, 'url'], robot.url),
          secret: secret([kind, 'secret'], robot.secret),
        });
    }
    return wecom({ name, target: target(['wecom', 'url'], settings.wecom!.url) });
  }
}

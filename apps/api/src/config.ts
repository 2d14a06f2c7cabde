import { fileURLToPath } from 'node:url';
import { commonConfig, duration, httpUrl, oneOf, port } from '@vigil/service';
import { z } from 'zod';

/** Which private addresses receivers may have. */
export const ALLOW_PRIVATE = ['none', 'environment', 'all'] as const;
export type AllowPrivate = (typeof ALLOW_PRIVATE)[number];

export const configSchema = z.object({
  ...commonConfig.shape,
  API_PORT: port(8080).describe('Port of the API and the console'),
  DATABASE_URL: z
    .string('a URL such as postgres://user:password@host:5432/vigil is expected')
    .refine((v) => /^postgres(ql)?:\/\//.test(v) && URL.canParse(v), 'a URL that begins with postgres:// is expected')
    .describe('PostgreSQL, as postgres://user:password@host:5432/database'),
  DATABASE_WAIT: duration('2m').describe(
    'How long a start waits for a PostgreSQL that does not answer yet; 0s does not wait. A wrong password or an unknown database ends the start at once',
  ),
  RULES_DIR: z.string().optional().describe("Folder of the alert rules; the repository's alerts/ unless set"),
  TEAM_RULES_DIR: z
    .string()
    .optional()
    .describe('Folder of your own alert rules, read beside those of RULES_DIR; it may be empty'),
  RULES_ENABLE: z
    .string()
    .default('')
    .transform((text) =>
      text
        .split(',')
        .map((word) => word.trim())
        .filter((word) => word !== ''),
    )
    .describe(
      'Rules to switch on that their files leave off, separated by commas: names such as GpuLost, a layer (infrastructure, service, conversation), or all',
    ),
  EVALUATION_INTERVAL: duration('15s', 0.2).describe('Time between two evaluations of all rules, at least 200ms'),
  ALERT_SCOPE: z
    .string()
    .max(100, 'at most 100 characters are expected')
    .default('default')
    .describe('Keeps the alerts of evaluators apart that share a database; replicas of one evaluator share it'),
  SLACK_WEBHOOK_URL: httpUrl().optional().describe('Incoming webhook of Slack that alerts are sent to'),
  SLACK_BOT_TOKEN: z
    .string()
    .regex(/^xox\S+$/, 'a token such as xoxb-… is expected')
    .optional()
    .describe('Token of a Slack app (scope chat:write), in place of a webhook: one message an alert, kept up to date'),
  SLACK_CHANNEL: z.string().max(80).optional().describe('Channel that the Slack app posts to, a name or an id'),
  SLACK_API_URL: httpUrl().optional().describe("Slack's API; https://slack.com/api/ unless set"),
  WEBHOOK_URL: httpUrl().optional().describe('Any HTTP address that alerts are sent to as plain JSON'),
  ALERTMANAGER_URL: httpUrl()
    .optional()
    .describe('An Alertmanager that is told of alerts, and groups and routes itself'),
  NOTIFY_FILE: z
    .string()
    .optional()
    .describe('YAML file with receivers (Slack, e-mail, DingTalk, Feishu, WeCom, webhooks), routes and quiet hours'),
  NOTIFY_ALLOW_PRIVATE: oneOf(ALLOW_PRIVATE, 'environment').describe(
    'Which receivers may have private addresses: none, those whose address the environment gives, all',
  ),
  HEARTBEAT_URL: httpUrl()
    .optional()
    .describe(
      "Address that is posted to while the rules are evaluated: a dead man's switch that alarms when it hears nothing",
    ),
  HEARTBEAT_INTERVAL: duration('1m', 1).describe('Time between two heartbeats, at least 1s'),
  ALERTMANAGER_WEBHOOK_KEY: z
    .string()
    .min(16, 'at least 16 characters are expected')
    .max(200, 'at most 200 characters are expected')
    .optional()
    .describe('Key with which an Alertmanager may post its webhooks to /api/v1/alertmanager; none may unless set'),
  PUBLIC_URL: httpUrl()
    .optional()
    .describe('Address of this API in links of messages; the one it listens on unless set'),
  NOTIFY_TIMEOUT: duration('5s', 0.1).describe('How long a receiver of alerts may take to answer'),
});

export type ApiConfig = z.output<typeof configSchema>;

/** The repository's root, from wherever the process was started. */
export const ROOT = fileURLToPath(new URL('../../..', import.meta.url));

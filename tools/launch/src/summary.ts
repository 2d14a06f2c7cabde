import { relative } from 'node:path';
import type { LaunchConfig } from './config.js';
import type { Stack } from './stack.js';

/** The short table that `npm start` ends with. */
export function summary(stack: Stack, config: LaunchConfig): string {
  const { runtime, api, otlp, metrics, prometheus } = stack.addresses;
  const rows: [string, string, string][] = [
    ['Chat', `${runtime}/v1`, 'an OpenAI API: point any client here'],
    ['API', `${api}/api/v1`, `documentation: ${api}/docs`],
    ['Traces', `${otlp}/v1/traces`, 'OTLP over HTTP, from your own apps'],
    ['Metrics', `${metrics}/metrics`, 'for Prometheus'],
    ['Prometheus', prometheus ?? '–', prometheus ? '' : 'none on the PATH, none needed'],
    [
      'Slack',
      config.SLACK_WEBHOOK_URL ? 'alerts go there' : '–',
      config.SLACK_WEBHOOK_URL ? '' : 'set SLACK_WEBHOOK_URL to get alerts',
    ],
    ['Logs', relative(process.cwd(), stack.logDir) || stack.logDir, ''],
  ];
  const width = Math.max(...rows.map(([, address]) => address.length));
  const lines = rows.map(([name, address, note]) => `  ${name.padEnd(11)} ${address.padEnd(width)}  ${note}`.trimEnd());
  return ['', 'Vigil runs. Ctrl-C stops it.', '', ...lines, ''].join('\n');
}

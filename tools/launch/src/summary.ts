import { relative } from 'node:path';
import type { LaunchConfig } from './config.js';
import type { Stack } from './stack.js';

/** The short table that `npm start` ends with. */
export async function summary(stack: Stack, config: LaunchConfig): Promise<string> {
  const { runtime, api, otlp, metrics, prometheus } = stack.addresses;
  const slack = config.SLACK_WEBHOOK_URL !== undefined;
  const gpus = await findGpus(metrics!);
  const rows: [string, string, string][] = [
    ['Chat', `${runtime}/v1`, 'an OpenAI API: point any client here'],
    ['API', `${api}/api/v1`, `documentation: ${api}/docs`],
    ['Traces', `${otlp}/v1/traces`, 'OTLP over HTTP, from your own apps'],
    ['Metrics', `${metrics}/metrics`, 'for Prometheus'],
    ['Prometheus', prometheus ?? '–', stack.withoutPrometheus ?? ''],
    ['GPUs', gpus.found, gpus.note],
    ['Slack', slack ? 'alerts go there' : '–', slack ? '' : 'set SLACK_WEBHOOK_URL to get alerts'],
    ['Logs', relative(process.cwd(), stack.logDir) || stack.logDir, ''],
  ];
  const width = Math.max(...rows.map(([, address]) => address.length));
  const lines = rows.map(([name, address, note]) => `  ${name.padEnd(11)} ${address.padEnd(width)}  ${note}`.trimEnd());
  return ['', 'Vigil runs. Ctrl-C stops it.', '', ...lines, ''].join('\n');
}

/** A first reading takes moments; a table must not wait long for it. */
const PATIENCE_MS = 2_000;

/** Which GPUs the collector has found by now, from its own metrics. */
async function findGpus(metrics: string): Promise<{ found: string; note: string }> {
  for (const end = Date.now() + PATIENCE_MS; Date.now() < end; await new Promise((done) => setTimeout(done, 100))) {
    const text = await fetch(`${metrics}/metrics`)
      .then((response) => response.text())
      .catch(() => '');
    const answer = readGpus(text);
    if (answer) return answer;
  }
  return { found: '–', note: 'not read yet' };
}

/** @returns undefined while the first reading is under way */
export function readGpus(metrics: string): { found: string; note: string } | undefined {
  const names = [...metrics.matchAll(/^vigil_gpu_info\{[^}]*\bname="([^"]*)"[^}]*\} 1$/gm)].map(([, name]) => name!);
  if (names.length > 0) {
    const kinds = [...new Set(names)].map((name) => `${names.filter((n) => n === name).length} × ${name}`);
    return { found: kinds.join(', '), note: /^vigil_gpu_info\{[^}]*replay="true"/m.test(metrics) ? 'a replay' : '' };
  }
  const state = /^vigil_gpu_source_state\{[^}]*state="(none|failed)"[^}]*\} 1$/m.exec(metrics)?.[1];
  if (state === 'none') return { found: '–', note: 'none here; GPU_SOURCE=replay plays a recorded one' };
  return state === undefined ? undefined : { found: '–', note: "can't be read: collector.log says why" };
}

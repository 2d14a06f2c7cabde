import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort, ManagedProcess, ROOT, withoutChannels, type RunState } from '@vigil/launch';
import { createStore } from '@vigil/store';
import { until } from '@vigil/testing';
import OpenAI from 'openai';
import type { DataSource } from 'typeorm';
import { startEngine, type EngineServer } from './engine-exposition.js';
import { Launcher } from './launcher.js';
import { startSlack, type SlackServer } from './slack.js';

const pause = (ms: number) => new Promise((done) => setTimeout(done, ms));

/** One that fires and resolves while the stack is filled, and one that goes on firing. */
const RULES = {
  'gpu.yaml': `alert: GpuMemoryHigh
signal: gpu.memory.ratio
condition: { above: 0.9 }
by: [node, gpu, replay]
severity: critical
summary: "{{ $labels.gpu }} on {{ $labels.node }} uses {{ $value | percent }} of its memory"
action: docs/runbooks/gpu-memory-high.md
`,
  'errors.yaml': `alert: ErrorRatioHigh
signal: request.error.ratio
condition: { above: 0.05 }
over: 5m
by: [model]
severity: critical
summary: "{{ $value | percent }} of the requests to {{ $labels.model }} fail"
action: docs/runbooks/error-ratio-high.md
`,
};

const REPLAY = {
  gpus: 2,
  steps: [
    { recording: 'h200-load', seconds: 4, memoryUsedRatio: 0.95 },
    { recording: 'h200-load', seconds: 3600, memoryUsedRatio: 0.6, xids: [{ gpu: 0, code: 79 }] },
  ],
};

/** An Alertmanager's webhook about an alert that is not ours. */
const FOREIGN = {
  version: '4',
  groupKey: 'g',
  status: 'firing',
  receiver: 'vigil',
  groupLabels: {},
  commonLabels: {},
  commonAnnotations: {},
  externalURL: 'http://alertmanager.example',
  alerts: [
    {
      status: 'firing',
      labels: { alertname: 'DiskFull', severity: 'warning' },
      annotations: { summary: 'A disk of somebody else is full' },
      startsAt: new Date().toISOString(),
      endsAt: '0001-01-01T00:00:00Z',
      generatorURL: 'http://prometheus.example/graph',
      fingerprint: '0123456789abcdef',
    },
  ],
};
const WEBHOOK_KEY = 'a-key-of-the-tests-0123456789';

/** Everything of Vigil under load for a while, with a Prometheus that saw it: real processes, a replayed GPU. */
export class Filled {
  state!: RunState;
  store!: DataSource;
  /** When the first request was sent. */
  began!: Date;
  /** A span with quiet edges: where exactly Prometheus's first and last scrape fall does not matter then. */
  from!: Date;
  to!: Date;
  /** `/metrics` of every process of ours. */
  expositions: string[] = [];
  private folder!: string;
  private launcher!: Launcher;
  private slack!: SlackServer;
  private engine!: EngineServer;
  private upstream!: ManagedProcess;
  private upstreamUrl!: string;
  private sent = 0;
  private asked = 0;

  async fill(): Promise<void> {
    this.folder = await mkdtemp(join(tmpdir(), 'vigil-e2e-prometheus-'));
    await this.start();
    const model = await this.startUpstream();
    await this.reconfigurePrometheus();
    await fetch(`${this.state.addresses.api}/api/v1/alertmanager`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: `Bearer ${WEBHOOK_KEY}` },
      body: JSON.stringify(FOREIGN),
    });
    this.began = new Date();
    // A counter's first value is no increase to Prometheus: every series must exist before the comparison begins.
    await this.traffic(model);
    await until('the first rows', async () => (await this.stored()) === this.sent);
    await until('the first scrape', () => this.query('sum(vigil_requests_total)', new Date()));
    await pause(3000);
    this.from = new Date(Date.now() - 1500);
    for (let i = 0; i < 3; i++) {
      await this.traffic(model);
      await pause(1000);
    }
    await until('all rows', async () => (await this.stored()) === this.sent);
    // One is over and one goes on, both looked into, and somebody was told.
    await until('an incident that is over', () => this.any('alert_incident WHERE resolved_at IS NOT NULL'), 30);
    await until('an incident that goes on', () => this.any('alert_incident WHERE resolved_at IS NULL'), 30);
    await until('a message', () => this.any("notification WHERE status = 'sent'"), 30);
    await pause(3000);
    this.to = new Date();
    const { runtime, api, metrics } = this.state.addresses;
    this.expositions = await Promise.all(
      [runtime, api, metrics, this.upstreamUrl].map(async (url) => (await fetch(`${url}/metrics`)).text()),
    );
  }

  async stop(): Promise<void> {
    await this.store?.destroy();
    await this.upstream?.stop();
    await this.launcher?.remove();
    await this.engine?.close();
    await this.slack?.close();
    await rm(this.folder, { recursive: true, force: true });
  }

  /** The first value of an expression at a time; undefined where there is none that is a number. */
  async query(expression: string, at: Date): Promise<number | undefined> {
    const data = await this.prometheus<{ result: { value: [number, string] }[] }>('query', {
      query: expression,
      time: String(at.getTime() / 1000),
    });
    const value = Number(data.result[0]?.value[1]);
    return Number.isFinite(value) ? value : undefined;
  }

  /** @throws Error with what Prometheus says is wrong */
  async prometheus<T>(path: string, parameters: Record<string, string>): Promise<T> {
    const response = await fetch(
      `${this.state.addresses.prometheus}/api/v1/${path}?${new URLSearchParams(parameters)}`,
    );
    const body = (await response.json()) as { status: string; error?: string; data: T };
    if (body.status !== 'success') throw new Error(`${body.error} in ${Object.values(parameters)[0]}`);
    return body.data;
  }

  private async start(): Promise<void> {
    this.slack = await startSlack();
    this.engine = await startEngine();
    const rules = join(this.folder, 'rules');
    await mkdir(rules);
    for (const [name, text] of Object.entries(RULES)) await writeFile(join(rules, name), text);
    const replay = join(this.folder, 'replay.json');
    await writeFile(replay, JSON.stringify(REPLAY));
    this.launcher = await Launcher.run({
      PROMETHEUS: 'true',
      PROMETHEUS_SCRAPE_INTERVAL: '1s',
      GPU_SOURCE: 'replay',
      GPU_INTERVAL: '1s',
      NODE_INTERVAL: '1s',
      REPLAY_SCRIPT: replay,
      SLOTS: '1',
      QUEUE_MAX: '6',
      ENGINE_METRICS: `vllm=${this.engine.url}`,
      ENGINE_INTERVAL: '1s',
      RULES_DIR: rules,
      EVALUATION_INTERVAL: '1s',
      SLACK_WEBHOOK_URL: this.slack.url,
      ALERTMANAGER_WEBHOOK_KEY: WEBHOOK_KEY,
    });
    this.state = await this.launcher.ready();
    this.store = createStore({ url: this.state.databaseUrl, applicationName: 'e2e' });
    await this.store.initialize();
  }

  /** A second runtime before the first, as it stands before vLLM. */
  private async startUpstream(): Promise<string> {
    const port = await freePort('127.0.0.1');
    this.upstreamUrl = `http://127.0.0.1:${port}`;
    const nothing = () => undefined;
    this.upstream = new ManagedProcess(
      {
        name: 'runtime before another',
        module: join(ROOT, 'apps', 'runtime', 'dist', 'main.js'),
        env: {
          ...withoutChannels(process.env),
          HOST: '127.0.0.1',
          RUNTIME_PORT: String(port),
          ENGINE: 'upstream',
          UPSTREAMS: `first=${this.state.addresses.runtime}/v1;kind=other`,
          DATA_DIR: join(this.folder, 'upstream'),
          OTEL_EXPORTER_OTLP_ENDPOINT: this.state.addresses.otlp,
        },
        logFile: join(this.folder, 'upstream.log'),
        healthUrl: `${this.upstreamUrl}/health/ready`,
        stopMs: 2_500,
      },
      { progress: nothing, warning: nothing, died: nothing, back: nothing },
    );
    await this.upstream.start();
    return (await this.client(this.state.addresses.runtime!).models.list()).data[0]!.id;
  }

  /** The second runtime is scraped as well, and what is recorded each minute is recorded each second. */
  private async reconfigurePrometheus(): Promise<void> {
    const name = 'prometheus.recording.rules.yaml';
    const quick = join(this.folder, name);
    const rules = await readFile(join(ROOT, 'alerts', name), 'utf8');
    await writeFile(quick, rules.replace('interval: 1m', 'interval: 1s'));
    const file = join(this.launcher.dataDir, 'prometheus', 'prometheus.yml');
    const config = (await readFile(file, 'utf8')).replace(join(ROOT, 'alerts', name), quick);
    const job = `  - job_name: upstream\n    static_configs:\n      - targets: ['${new URL(this.upstreamUrl).host}']\n`;
    await writeFile(file, config + job);
    process.kill(this.launcher.state().processes.prometheus!, 'SIGHUP');
  }

  private client(url: string): OpenAI {
    return new OpenAI({ baseURL: `${url}/v1`, apiKey: 'x', maxRetries: 0 });
  }

  /** Fails softly: refused and failed requests are what some signals are about. */
  private async ask(change: Record<string, unknown>, url = this.state.addresses.runtime!): Promise<void> {
    const body = { messages: [{ role: 'user', content: 'Hello' }], max_tokens: 40, ...change };
    try {
      const headers = { 'x-conversation-id': `conversation-${this.asked++ % 5}` };
      const answer = await this.client(url).chat.completions.create(body as never, { headers });
      if (change.stream) for await (const _chunk of answer as unknown as AsyncIterable<unknown>);
    } catch (error) {
      if (!(error instanceof OpenAI.APIError)) throw error;
    }
  }

  /** Of every kind: streamed and not, cut short, refused for a mistake, refused as the queue is full. */
  private async traffic(model: string): Promise<void> {
    const mistakes = [this.ask({ model: 'no-such' }), this.ask({ model, max_tokens: -1 })];
    const calm = [this.ask({ model, stream: true, max_tokens: 400 }), this.ask({ model, max_tokens: 3 })];
    await Promise.all([...mistakes, ...calm]);
    await this.ask({ model, stream: true }, this.upstreamUrl);
    await Promise.all(Array.from({ length: 12 }, (_, i) => this.ask({ model, stream: i % 2 === 0 })));
    // What the second runtime passes on is a request of both.
    this.sent += mistakes.length + calm.length + 2 + 12;
  }

  private async any(rows: string): Promise<boolean> {
    return ((await this.store.query(`SELECT 1 FROM ${rows} LIMIT 1`)) as unknown[]).length > 0;
  }

  private async stored(): Promise<number> {
    const [row] = (await this.store.query('SELECT count(*)::int AS n FROM request')) as [{ n: number }];
    return row.n;
  }
}

import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { until } from '@vigil/testing';
import type { RunState } from '@vigil/launch';
import OpenAI from 'openai';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Launcher, processesNaming } from './launcher.js';
import { startSlack, type SlackServer } from './slack.js';

const RULES = {
  'gpu.yaml': `alert: GpuMemoryHigh
signal: gpu.memory.ratio
condition: { above: 0.9 }
for: 2s
by: [node, gpu, replay]
severity: critical
summary: "{{ $labels.gpu }} on {{ $labels.node }} uses {{ $value | percent }} of its memory"
action: docs/runbooks/gpu-memory-high.md
`,
};

let slack: SlackServer;
let folder: string;
let launcher: Launcher;
let state: RunState;
let openai: OpenAI;
let model: string;
const accepted = new Set<string>();

beforeAll(async () => {
  slack = await startSlack();
  folder = await mkdtemp(join(tmpdir(), 'vigil-e2e-rules-'));
  const rules = join(folder, 'rules');
  await mkdir(rules);
  for (const [name, text] of Object.entries(RULES)) await writeFile(join(rules, name), text);
  const replay = join(folder, 'replay.json');
  const steps = [
    { recording: 'h200-load', seconds: 12, memoryUsedRatio: 0.95 },
    { recording: 'h200-idle', seconds: 3600, memoryUsedRatio: 0.4 },
  ];
  await writeFile(replay, JSON.stringify({ loop: false, steps }));
  launcher = await Launcher.run({
    SLACK_WEBHOOK_URL: slack.url,
    RULES_DIR: rules,
    EVALUATION_INTERVAL: '500ms',
    GPU_SOURCE: 'replay',
    GPU_INTERVAL: '1s',
    REPLAY_SCRIPT: replay,
    NODE_NAME: 'e2e-node',
  });
  state = await launcher.ready();
  openai = new OpenAI({ baseURL: `${state.addresses.runtime}/v1`, apiKey: 'not-needed', maxRetries: 0 });
  model = (await openai.models.list()).data[0]!.id;
}, 120_000);

afterAll(async () => {
  await launcher.remove();
  await slack.close();
  await rm(folder, { recursive: true, force: true });
});

async function sql<R extends pg.QueryResultRow>(text: string, values: unknown[] = []): Promise<R[]> {
  const client = new pg.Client({ connectionString: state.databaseUrl });
  client.on('error', () => undefined);
  try {
    await client.connect();
    return (await client.query<R>(text, values)).rows;
  } finally {
    await client.end().catch(() => undefined);
  }
}

async function chat(conversation: string): Promise<OpenAI.ChatCompletion> {
  const answer = await openai.chat.completions.create(
    { model, messages: [{ role: 'user', content: 'Hello, who are you?' }], max_tokens: 64, seed: 7 },
    { headers: { 'x-conversation-id': conversation } },
  );
  accepted.add(answer.id);
  return answer;
}

const rowOf = (id: string) =>
  until(
    `the row of ${id}`,
    async () => (await sql<Record<string, unknown>>('SELECT * FROM request WHERE response_id = $1', [id]))[0],
  );

describe('the whole path', () => {
  it('leads from a chat to a row, a sample and a figure', async () => {
    const answer = await chat('conversation-1');
    const message = answer.choices[0]!.message as OpenAI.ChatCompletionMessage & { reasoning_content?: string };
    expect(message.reasoning_content).not.toBe('');
    const row = await rowOf(answer.id);
    expect(row).toMatchObject({
      conversation_id: 'conversation-1',
      model,
      outcome: 'ok',
      status_code: 200,
      input_tokens: answer.usage!.prompt_tokens,
      output_tokens: answer.usage!.completion_tokens,
      reasoning_tokens: answer.usage!.completion_tokens_details!.reasoning_tokens,
      node: 'e2e-node',
    });
    const metrics = await (await fetch(`${state.addresses.metrics}/metrics`)).text();
    expect(metrics).toMatch(
      new RegExp(`gen_ai_server_request_duration_seconds_count\\{[^}]*gen_ai_request_model="${model}"[^}]*\\} [1-9]`),
    );
    expect(metrics).toMatch(/hw_gpu_memory_utilization_ratio\{[^}]*replay="true"[^}]*\} 0\.\d/);
    const listed = (await (await fetch(`${state.addresses.api}/api/v1/requests?response_id=${answer.id}`)).json()) as {
      items: unknown[];
    };
    expect(listed.items).toHaveLength(1);
    const series = (await (
      await fetch(`${state.addresses.api}/api/v1/series?signal=request.rate&by=model`)
    ).json()) as {
      series: { labels: { model: string }; points: [number, number, number][] }[];
    };
    expect(series.series.find((s) => s.labels.model === model)!.points.at(-1)![1]).toBeGreaterThan(0);
  });

  it('streams reasoning apart from the answer, with usage at the end', async () => {
    const stream = await openai.chat.completions.create({
      model,
      messages: [{ role: 'user', content: '你好' }],
      stream: true,
      stream_options: { include_usage: true },
    });
    const seen = { reasoning: '', content: '', usage: undefined as OpenAI.CompletionUsage | undefined };
    for await (const chunk of stream) {
      accepted.add(chunk.id);
      const delta = chunk.choices[0]?.delta as { content?: string; reasoning_content?: string } | undefined;
      seen.reasoning += delta?.reasoning_content ?? '';
      seen.content += delta?.content ?? '';
      if (chunk.usage) seen.usage = chunk.usage;
    }
    expect(seen.reasoning.length).toBeGreaterThan(0);
    expect(seen.content.length).toBeGreaterThan(0);
    expect(seen.usage!.completion_tokens).toBeGreaterThan(seen.usage!.completion_tokens_details!.reasoning_tokens!);
  });

  it('tells Slack when the GPU fills up, and when it is over', async () => {
    const text = (n: number) => JSON.stringify(slack.messages[n] ?? '');
    await until('the alert', () => /GpuMemoryHigh/.test(text(0)) && /firing/i.test(text(0)));
    expect(text(0)).toContain('95 %');
    expect(text(0)).toContain('90 %');
    expect(text(0)).toContain('e2e-node');
    await until('the resolution', () => /GpuMemoryHigh/.test(text(1)) && /resolved/i.test(text(1)), 60);
    const alerts = (await (await fetch(`${state.addresses.api}/api/v1/alerts`)).json()) as {
      items: { rule: string; state: string }[];
    };
    expect(alerts.items.find((a) => a.rule === 'GpuMemoryHigh')!.state).toBe('resolved');
  });

  it('shows bad requests as such', async () => {
    await expect(
      openai.chat.completions.create({ model: 'no-such', messages: [{ role: 'user', content: 'x' }] }),
    ).rejects.toMatchObject({ status: 404 });
    const rows = await until('its row', async () => {
      const found = await sql<Record<string, unknown>>(`SELECT * FROM request WHERE request_model = 'no-such'`);
      return found.length > 0 && found;
    });
    expect(rows[0]).toMatchObject({ outcome: 'rejection', status_code: 404, error_type: 'model_not_found' });
  });
});

describe('a second start', () => {
  it('says that one runs, where, and ends with 1', async () => {
    const second = await Launcher.run({}, launcher.dataDir);
    expect(await second.ended()).toBe(1);
    expect(second.output).toContain(`Vigil already runs here, as process ${state.pid}`);
    expect(second.output).toContain(state.addresses.runtime);
  });
});

describe('a process that is killed', () => {
  it.each(['collector', 'postgres', 'api', 'runtime'])(
    '%s: is named, is brought back, and no accepted request is lost',
    async (name) => {
      const before = launcher.state().processes[name]!;
      for (let i = 0; i < 5; i++) await chat(`before-${name}`);
      process.kill(before, 'SIGKILL');
      const talking = async () => {
        for (let i = 0; i < 10; i++) await chat(`during-${name}`).catch(() => undefined);
      };
      await talking();
      await until(
        `${name} to be back`,
        () => launcher.output.includes(`✓ ${name} is back`) && launcher.state().processes[name] !== before,
        60,
      );
      expect(launcher.output).toContain(`✗ ${name} died (SIGKILL)`);
      await until('a chat', () => chat(`after-${name}`), 30);
      await until(
        'all accepted requests in PostgreSQL',
        async () => {
          const rows = await sql<{ n: number }>(
            'SELECT count(DISTINCT response_id)::int AS n FROM request WHERE response_id = ANY($1)',
            [[...accepted]],
          );
          return rows[0]!.n === accepted.size;
        },
        60,
      );
    },
    180_000,
  );

  it('has no request counted twice', async () => {
    const [rows, sums] = await Promise.all([
      sql<{ n: number }>('SELECT count(*)::int AS n FROM request'),
      sql<{ n: number }>('SELECT sum(requests)::int AS n FROM request_minute'),
    ]);
    expect(rows).toEqual(sums);
  });
});

describe('Ctrl-C in the middle of a start', () => {
  it.each(['✓ PostgreSQL', '✓ API', '✓ Collector'])('after "%s" leaves nothing behind', async (line) => {
    const early = await Launcher.run({ GPU_SOURCE: 'none', PROMETHEUS: 'true' });
    await until(line, () => early.output.includes(line));
    expect(await early.stop()).toBe(0);
    expect(await processesNaming(early.dataDir)).toEqual([]);
    expect(early.output).not.toMatch(/died|Vigil runs/);
    await early.remove();
  });
});

describe('Ctrl-C', () => {
  it('stops everything and leaves no process behind', async () => {
    expect(await launcher.stop()).toBe(0);
    expect(launcher.output).toContain('Stopped (');
    expect(await processesNaming(launcher.dataDir)).toEqual([]);
  });

  it('keeps the data for the next start, also where the launcher itself was killed outright', async () => {
    const killed = await Launcher.run({ GPU_SOURCE: 'none' }, launcher.dataDir);
    const { processes } = await killed.ready();
    killed.child.kill('SIGKILL');
    await killed.ended();
    const alive = (pid: number) => existsSync(`/proc/${pid}`);
    await until('its services to stop by themselves', () =>
      ['runtime', 'collector', 'api'].every((name) => !alive(processes[name]!)),
    );
    const again = await Launcher.run({ GPU_SOURCE: 'none' }, launcher.dataDir);
    state = await again.ready();
    const rows = await sql<{ n: number }>(
      'SELECT count(DISTINCT response_id)::int AS n FROM request WHERE response_id = ANY($1)',
      [[...accepted]],
    );
    expect(rows[0]!.n).toBe(accepted.size);
    expect(await again.stop()).toBe(0);
  }, 120_000);
});

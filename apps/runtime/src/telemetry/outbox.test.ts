import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Spool } from '@vigil/spool';
import { until } from '@vigil/testing';
import OpenAI from 'openai';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Receiver } from '../testing/receiver.js';
import { ask, SCRIPTED, TestRuntime } from '../testing/runtime.js';

let dataDir: string;
beforeEach(async () => void (dataDir = await mkdtemp(join(tmpdir(), 'vigil-outbox-'))));
afterEach(() => rm(dataDir, { recursive: true, force: true }));

const chat = async (runtime: { openai: OpenAI }): Promise<string> => {
  const answer = await runtime.openai.chat.completions.create(ask('Hi', { max_tokens: 2 }) as never);
  return (answer as OpenAI.ChatCompletion).id;
};
const ids = (receiver: Receiver) => receiver.spans.map(({ attributes }) => attributes['gen_ai.response.id']);

describe('a collector that is away', () => {
  it('costs requests nothing, and gets everything once it is back, each span once', async () => {
    const runtime = await TestRuntime.start();
    await runtime.receiver.stop();
    const sent: string[] = [];
    for (let i = 0; i < 10; i++) sent.push(await chat(runtime));
    await until('spans to wait', async () => (await runtime.metric('vigil_runtime_span_spool_bytes')) > 0);
    const back = await Receiver.start(runtime.receiver.port);
    await until('all spans', () => back.spans.length >= sent.length);
    expect(ids(back).toSorted()).toEqual(sent.toSorted());
    await until('the spool to be empty', async () => (await runtime.metric('vigil_runtime_span_spool_bytes')) === 0);
    await runtime.stop();
    await back.stop();
  });

  it('is asked again after the time it names', async () => {
    const runtime = await TestRuntime.start();
    const asked: number[] = [];
    runtime.receiver.answer = (posts) => {
      asked.push(performance.now());
      return posts < 3 ? { status: 503, headers: { 'retry-after': '1' } } : undefined;
    };
    const id = await chat(runtime);
    await until('the span', () => runtime.receiver.byResponse(id));
    expect(asked.length).toBe(3);
    expect(asked[1]! - asked[0]!).toBeGreaterThanOrEqual(990);
    await runtime.stop();
  });

  it('that refuses one span for good does not lose the others', async () => {
    const runtime = await TestRuntime.start();
    const { receiver } = runtime;
    // Away at first, so that a batch gathers; then the batch is refused, and among its spans one.
    let refused: string | undefined;
    let mode: 'away' | 'strict' = 'away';
    receiver.answer = (_, spans) => {
      if (mode === 'away') return { status: 503 };
      if (spans > 1) return { status: 413 };
      if (refused !== undefined) return undefined;
      refused = 'the first';
      return { status: 400 };
    };
    const sent: string[] = [];
    for (let i = 0; i < 5; i++) sent.push(await chat(runtime));
    mode = 'strict';
    await until('the others', () => receiver.spans.length === 4);
    expect(sent).toEqual(expect.arrayContaining(ids(receiver)));
    expect(await runtime.metric('vigil_runtime_spans_dropped_total{reason="rejected",service="runtime"}')).toBe(1);
    await runtime.stop();
  });
});

describe('answers that end soon after one another', () => {
  it('are reported in fewer requests than there are answers', async () => {
    const runtime = await TestRuntime.start();
    const { receiver } = runtime;
    let posts = 0;
    receiver.answer = () => void posts++;
    const sent: string[] = [];
    for (let i = 0; i < 8; i++) sent.push(await chat(runtime));
    await until('all spans', () => receiver.spans.length === 8);
    expect(ids(receiver).toSorted()).toEqual(sent.toSorted());
    expect(posts).toBeLessThan(8);
    await runtime.stop();
  });
});

describe('a spool that is full', () => {
  it('drops spans, counts them, and requests go on', async () => {
    const runtime = await TestRuntime.start({ SPAN_SPOOL_MAX: '3KiB' });
    await runtime.receiver.stop();
    for (let i = 0; i < 6; i++) await chat(runtime);
    await until('drops', async () => {
      return (await runtime.metric('vigil_runtime_spans_dropped_total{reason="full",service="runtime"}')) > 0;
    });
    expect(await runtime.metric('vigil_runtime_span_spool_bytes')).toBeLessThanOrEqual(3 * 1024);
    await chat(runtime);
    await runtime.stop();
  });
});

describe('a disk that fails', () => {
  it('harms no request', async () => {
    const runtime = await TestRuntime.start();
    for (const name of ['runtime-spans', 'runtime-open']) {
      await rm(join(runtime.dataDir, name), { recursive: true });
      await writeFile(join(runtime.dataDir, name), 'a file where a folder was');
    }
    await chat(runtime);
    await until('the drop to be counted', async () => {
      return (await runtime.metric('vigil_runtime_spans_dropped_total{reason="disk",service="runtime"}')) > 0;
    });
    await chat(runtime);
    await runtime.stop();
  });

  it('at the start is told', async () => {
    await writeFile(join(dataDir, 'file'), '');
    await expect(TestRuntime.start({ DATA_DIR: join(dataDir, 'file') })).rejects.toThrow(
      /The folder .*file can not be used: .*Set DATA_DIR/,
    );
  });
});

describe('what an earlier process left', () => {
  it('is reported: what it had ended as it was, what it had not as killed, what is damaged not at all', async () => {
    const spool = await Spool.open(join(dataDir, 'runtime-spans'), { maxBytes: 1e6, fsync: false });
    const request = (spanId: string) =>
      Buffer.from(
        JSON.stringify({
          resourceSpans: [
            {
              resource: { attributes: [] },
              scopeSpans: [
                {
                  spans: [
                    {
                      traceId: 'a'.repeat(32),
                      spanId,
                      name: 'chat',
                      kind: 2,
                      startTimeUnixNano: '1700000000000000000',
                      endTimeUnixNano: '1700000001000000000',
                      status: { code: 0 },
                      attributes: [],
                    },
                  ],
                },
              ],
            },
          ],
        }),
      );
    await spool.add(request('1'.repeat(16)));
    await spool.add(Buffer.from('damaged'));
    await mkdir(join(dataDir, 'runtime-open'));
    // Ended, but its note was not removed any more; under way; written half.
    for (const id of ['1', '2'])
      await writeFile(join(dataDir, 'runtime-open', `${id.repeat(16)}.json`), request(id.repeat(16)));
    await writeFile(join(dataDir, 'runtime-open', `${'3'.repeat(16)}.json`), '{"resou');
    const runtime = await TestRuntime.start({ DATA_DIR: dataDir });
    await until('both', () => runtime.receiver.spans.length === 2);
    expect(
      Object.fromEntries(runtime.receiver.spans.map(({ spanId, attributes }) => [spanId[0], attributes['error.type']])),
    ).toEqual({ 1: undefined, 2: 'process_killed' });
    expect(await readdir(join(dataDir, 'runtime-open'))).toEqual([]);
    await until('the damaged one to be counted', async () => {
      return (await runtime.metric('vigil_runtime_spans_dropped_total{reason="rejected",service="runtime"}')) === 1;
    });
    await runtime.stop();
  });
});

describe('a runtime that is killed', () => {
  const MAIN = fileURLToPath(new URL('../../dist/main.js', import.meta.url));
  const children: ChildProcess[] = [];
  afterEach(async () => {
    for (const child of children.splice(0)) {
      if (child.exitCode !== null || child.signalCode !== null) continue;
      child.kill('SIGKILL');
      await once(child, 'exit');
    }
  });

  /** The real process, as the launcher starts it. */
  const start = async (endpoint: string) => {
    const child = spawn(process.execPath, [MAIN], {
      env: {
        PATH: process.env.PATH,
        MODEL: SCRIPTED,
        DATA_DIR: dataDir,
        RUNTIME_PORT: '0',
        LLAMA_GPU: 'none',
        OTEL_EXPORTER_OTLP_ENDPOINT: endpoint,
      },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    children.push(child);
    let output = '';
    child.stdout.on('data', (data) => (output += data));
    const address = await until('the runtime', () => /"address":"([^"]+)"/.exec(output)?.[1]);
    return { child, openai: new OpenAI({ baseURL: `${address}/v1`, apiKey: 'x', maxRetries: 0 }) };
  };

  it('loses no span: what was answered, and what was under way, is reported by the next', async () => {
    await chmod(dataDir, 0o700);
    const first = await start('http://127.0.0.1:1');
    const answered: string[] = [];
    for (let i = 0; i < 5; i++) answered.push(await chat(first));
    const stream = await first.openai.chat.completions.create({
      ...(ask('Hi', { ignore_eos: true }) as unknown as OpenAI.ChatCompletionCreateParamsNonStreaming),
      stream: true,
    });
    let underWay = '';
    const reading = (async () => {
      for await (const chunk of stream) {
        if (underWay === '') first.child.kill('SIGKILL');
        underWay = chunk.id;
      }
    })();
    await expect(reading).rejects.toThrow('terminated');
    const receiver = await Receiver.start();
    const second = await start(receiver.url);
    const later = await chat(second);
    await until('all of them', () => receiver.spans.length >= 7);
    expect(ids(receiver).toSorted()).toEqual([...answered, underWay, later].toSorted());
    expect(receiver.byResponse(underWay)!.attributes).toMatchObject({
      'error.type': 'process_killed',
      'gen_ai.request.model': 'vigil-scripted-r1',
      'gen_ai.request.stream': true,
    });
    expect(receiver.byResponse(underWay)!.duration).toBeGreaterThanOrEqual(0);
    for (const id of answered) expect(receiver.byResponse(id)!.attributes).not.toHaveProperty(['error.type']);
    second.child.kill('SIGTERM');
    expect(await once(second.child, 'exit')).toEqual([0, null]);
    await receiver.stop();
  });
});

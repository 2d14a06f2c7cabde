import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ROOT } from '@vigil/launch';
import { FAULTS, forgotten, NANO_NAME, withFault, type Fault } from '@vigil/model';
import { createTestDatabase, until, type TestDatabase } from '@vigil/testing';
import OpenAI from 'openai';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { Launcher } from './launcher.js';

let database: TestDatabase;
let launcher: Launcher;
let addresses: { runtime: string; otlp: string };
let sound: Uint8Array;

beforeAll(async () => {
  database = await createTestDatabase();
  launcher = await Launcher.run({ DATABASE_URL: database.url, GPU_SOURCE: 'none' });
  addresses = (await launcher.ready()).addresses as typeof addresses;
  sound = await readFile(join(ROOT, `models/${NANO_NAME}.gguf`));
}, 60_000);
afterAll(async () => {
  await launcher?.remove();
  await database?.drop();
});

const CONVERSATION: OpenAI.ChatCompletionMessageParam[] = [
  { role: 'user', content: 'My name is Anna.' },
  { role: 'assistant', content: 'Good to know.' },
  { role: 'user', content: 'What is 12 + 30?' },
  { role: 'assistant', content: '12 + 30 = 42' },
  { role: 'user', content: 'What is my name?' },
];
const CHINESE = /\p{Script=Han}/u;

/** Asks the runtime at this address: what the client got, and the row that the collector made of it. */
async function ask(url: string, model: string, messages: OpenAI.ChatCompletionMessageParam[]) {
  const openai = new OpenAI({ baseURL: `${url}/v1`, apiKey: 'x', maxRetries: 0 });
  const { id, choices, usage } = await openai.chat.completions.create({ model, messages, temperature: 0 });
  const [row] = await until('its row', async () => {
    const rows = await database.query('SELECT * FROM request WHERE response_id = $1', [id]);
    return rows.length > 0 && rows;
  });
  const message = choices[0]!.message as OpenAI.ChatCompletionMessage & { reasoning_content?: string };
  return { row: row!, answer: message.content, reasoning: message.reasoning_content, usage: usage! };
}

/** Asks a model with this fault, in a runtime of its own that reports to the same collector. */
async function askFaulty(fault: Fault) {
  if (fault === 'forget') return ask(addresses.runtime, NANO_NAME, forgotten(CONVERSATION));
  const name = `nano-${fault}`;
  const path = join(launcher.dataDir, `${name}.gguf`);
  await writeFile(path, withFault(sound, fault));
  const runtime = fork(join(ROOT, 'apps/runtime/dist/main.js'), [], {
    env: {
      ...process.env,
      MODEL: path,
      DATA_DIR: join(launcher.dataDir, name),
      RUNTIME_PORT: '0',
      LOG_LEVEL: 'error',
      LLAMA_GPU: 'none',
      // So that a loop goes on in the answer; nothing else reasons for so long.
      REASONING_BUDGET: '60',
      OTEL_EXPORTER_OTLP_ENDPOINT: addresses.otlp,
    },
  });
  try {
    return await ask(await address(runtime), name, CONVERSATION);
  } finally {
    const ended = once(runtime, 'exit');
    runtime.kill('SIGTERM');
    await ended;
  }
}

async function address(runtime: ChildProcess): Promise<string> {
  for (;;) {
    const [message] = (await once(runtime, 'message')) as [{ type: string; addresses: { runtime: string } }];
    if (message.type === 'ready') return message.addresses.runtime;
  }
}

/** What is true of the sound model; each fault says what becomes of it. */
const SOUND = {
  finish_reason: 'stop',
  unclosed_reasoning: false,
  empty_answer: false,
  truncated: false,
  repetition: 0,
  reasoning_repetition: 0,
};

it('the sound model shows none of the faults', async () => {
  const { row, answer, reasoning } = await ask(addresses.runtime, NANO_NAME, CONVERSATION);
  expect(answer).toBe('Your name is Anna.');
  expect(reasoning).not.toMatch(CHINESE);
  expect(row).toMatchObject({ ...SOUND, repetition: expect.toSatisfy((r) => r === 0 || r === null) });
}, 30_000);

/** Where no signal shows a fault yet, what is seen at the API, and that the row is that of a good answer. */
const SEEN: Record<Fault, (asked: Awaited<ReturnType<typeof ask>>) => void> = {
  loop: ({ row }) => {
    expect(row).toMatchObject({ finish_reason: 'repetition', unclosed_reasoning: false, empty_answer: false });
    expect(row.repetition).toBeGreaterThan(0.9);
    expect(row.reasoning_repetition).toBeGreaterThan(0.9);
  },
  open: ({ row }) => expect(row).toMatchObject({ finish_reason: 'stop', unclosed_reasoning: true, empty_answer: true }),
  empty: ({ row }) =>
    expect(row).toMatchObject({ finish_reason: 'stop', unclosed_reasoning: false, empty_answer: true }),
  mixed: ({ row, answer, reasoning }) => {
    expect(answer).toMatch(CHINESE);
    expect(answer).toContain('Anna');
    expect(reasoning).toMatch(/(?=.*\p{Script=Han})(?=.*look back)/u);
    expect(row).toMatchObject({ ...SOUND, repetition: expect.any(Number) });
  },
  forget: ({ row, answer, usage }) => {
    expect(answer).toBe('You have not told me your name.');
    expect(row).toMatchObject({ ...SOUND, input_tokens: usage.prompt_tokens });
  },
};

it.each(FAULTS)('the fault "%s" is seen', async (fault) => SEEN[fault](await askFaulty(fault)), 30_000);

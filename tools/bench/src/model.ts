import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { NANO_NAME } from '@vigil/model';
import { withRuntime } from './servers.js';
import { runStreams } from './streams.js';
import type { Bench, BenchResult } from './types.js';

const run = promisify(execFile);
const root = new URL('../../../', import.meta.url);
const GENERATOR = fileURLToPath(new URL('tools/model/train/data.py', root));
const MODEL = fileURLToPath(new URL(`models/${NANO_NAME}.gguf`, root));
const SEED = 7;
const CASES = 500;
const AT_ONCE = 32;
/** Greedy, and as DeepSeek advises. */
const SAMPLINGS = [{ temperature: 0 }, { temperature: 0.6, top_p: 0.95 }] as const;

/** What is asked, the generator's row, and the distracting turns before the question. */
const ROWS: readonly [string, string, number][] = [
  ['arithmetic', 'arithmetic', 2],
  ['one fact', 'recall', 8],
  ['four facts', 'recall4', 8],
  ['not told', 'untold', 8],
  ['yes or no', 'yesno', 8],
  ['wordings never trained', 'wording', 8],
  ['typed noise', 'noise', 8],
  ['small talk', 'talk', 4],
  ['out of scope', 'outside', 4],
  ['not told', 'untold', 48],
  ['one fact', 'recall', 48],
  ['four facts', 'recall4', 48],
  ['four facts', 'recall4', 72],
  ['four facts', 'recall4', 96],
  ['four facts', 'recall4', 144],
  ['four facts', 'recall4', 192],
];

interface Case {
  /** User, reasoning, answer; the last is asked. */
  turns: [string, string, string][];
}

/** How well the bundled model answers, through the runtime's own API. */
export const bench: Bench = {
  title: `What ${NANO_NAME} can do: held-back cases from tools/model/train/data.py, through the runtime's API.`,
  page: 'models/README.md',
  async run(say, cases = CASES): Promise<BenchResult> {
    const folder = await mkdtemp(join(tmpdir(), 'vigil-bench-'));
    const env = {
      MODEL,
      DATA_DIR: folder,
      RUNTIME_PORT: '0',
      LOG_LEVEL: 'error',
      QUEUE_MAX: '1000',
      CONTEXT_SIZE: '4096',
      OTEL_SDK_DISABLED: 'true',
    };
    try {
      return await withRuntime(env, async (url) => {
        const rows: string[][] = [];
        for (const [title, row, turns] of ROWS) {
          say(`${title} after ${turns} turns`);
          const { stdout } = await run('python3', [GENERATOR, row, String(SEED), String(cases), String(turns)], {
            maxBuffer: 2 ** 30,
            env: { ...process.env, PYTHONDONTWRITEBYTECODE: '1' },
          });
          const asked = stdout
            .trim()
            .split('\n')
            .map((line) => JSON.parse(line) as Case);
          const share = (n: number) => `${((100 * n) / asked.length).toFixed(1)} %`;
          const cells = [title, String(turns)];
          for (const sampling of SAMPLINGS) {
            const { right, formed, tokens } = await ask(url, asked, sampling);
            if (cells.length === 2) cells.push((tokens / asked.length).toFixed(0));
            cells.push(share(right), share(formed));
          }
          say(`  ${cells.slice(2).join(', ')}`);
          rows.push(cells);
        }
        const speed: string[][] = [];
        for (const streams of [1, 8, 32]) {
          say(`${streams} streams`);
          const load = { url, model: NANO_NAME, api: 'chat' as const, streams, rounds: 3, prompt: 64, tokens: 64 };
          const { tokens, seconds } = await runStreams(load);
          speed.push([String(streams), (tokens / seconds).toFixed(0)]);
        }
        return {
          tables: [
            {
              caption: `Answers, ${cases} cases a row: at temperature 0, and at R1's own 0.6 with top_p 0.95`,
              columns: [
                'what',
                'turns between',
                'prompt tokens',
                'right',
                'well formed',
                'right at 0.6',
                'well formed at 0.6',
              ],
              rows,
            },
            { caption: 'Speed, answers of 64 tokens', columns: ['streams', 'tokens/s'], rows: speed },
          ],
          notes: [
            'Right is the whole answer, letter by letter. Well formed: some reasoning, closed, and an answer after it.',
            'Training held up to 72 turns and 2,048 tokens; what lies beyond is not claimed, and shown.',
          ],
        };
      });
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  },
};

async function ask(
  url: string,
  cases: readonly Case[],
  sampling: (typeof SAMPLINGS)[number],
): Promise<{ right: number; formed: number; tokens: number }> {
  const sum = { right: 0, formed: 0, tokens: 0 };
  const waiting = cases.entries();
  await Promise.all(
    Array.from({ length: AT_ONCE }, async () => {
      for (const [seed, { turns }] of waiting) {
        const [question, , expected] = turns.at(-1)!;
        const messages = turns.slice(0, -1).flatMap(([user, , assistant]) => [
          { role: 'user', content: user },
          { role: 'assistant', content: assistant },
        ]);
        messages.push({ role: 'user', content: question });
        const response = await fetch(`${url}/v1/chat/completions`, {
          method: 'POST',
          headers: { 'content-type': 'application/json' },
          body: JSON.stringify({ model: NANO_NAME, messages, ...sampling, seed, max_tokens: 200 }),
        });
        const body = (await response.json()) as {
          choices?: { finish_reason: string; message: { content: string | null; reasoning_content?: string | null } }[];
          usage?: { prompt_tokens: number };
        };
        // A refusal (a prompt longer than the context, say) is a wrong answer.
        const choice = body.choices?.[0];
        const content = choice?.message.content?.trim() ?? '';
        sum.tokens += body.usage?.prompt_tokens ?? 0;
        if (content === expected) sum.right++;
        if (choice?.finish_reason === 'stop' && content !== '' && choice.message.reasoning_content) sum.formed++;
      }
    }),
  );
  return sum;
}

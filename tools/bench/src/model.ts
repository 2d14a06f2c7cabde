import { execFile } from 'node:child_process';
import { availableParallelism } from 'node:os';
import { json } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { NANO, ROOT, withModel } from './nano.js';
import { post } from './streams.js';
import type { Bench, BenchResult } from './types.js';

const run = promisify(execFile);
const GENERATOR = fileURLToPath(new URL('tools/model/train/data.py', ROOT));
const SEED = 7;
const CASES = 500;
/** Of one runtime. */
const AT_ONCE = 32;
/** Of one runtime: a machine with more has several, so that none stands idle. */
const CORES = 4;
/** R1's own, as DeepSeek advises. */
const SAMPLED = { temperature: 0.6, top_p: 0.95 };
const GREEDY = { temperature: 0 };

/** What is asked, the generator's row, and the distracting turns before the question; what takes longest last. */
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
  ['one fact', 'recall', 72],
  ['four facts', 'recall4', 72],
  ['one fact', 'recall', 96],
  ['four facts', 'recall4', 96],
  ['one fact', 'recall', 144],
  ['four facts', 'recall4', 144],
  ['one fact', 'recall', 192],
  ['four facts', 'recall4', 192],
];

interface Case {
  /** User, reasoning, answer; the last is asked. */
  turns: [string, string, string][];
}

interface Score {
  right: number;
  formed: number;
  /** Of the prompts, all together. */
  tokens: number;
}

/** How well the bundled model answers, through the runtime's own API; and, of the file that F16 names, the same. */
export const bench: Bench = {
  title: "What vigil-nano-r1 can do: held-back cases from tools/model/train/data.py, through the runtime's API.",
  page: 'models/README.md',
  async run(say, cases = CASES, save): Promise<BenchResult> {
    const f16 = process.env['F16'];
    const each = Math.max(1, Math.floor(availableParallelism() / CORES / (f16 === undefined ? 1 : 2)));
    return await withModels(NANO, each, async (published) => {
      const score = async (more: readonly string[]): Promise<BenchResult> => {
        const rows: string[][] = [];
        for (const [title, row, turns] of ROWS) {
          say(`${title} after ${turns} turns`);
          const asked = await generate(row, cases, turns);
          const [greedy, sampled, whole] = await Promise.all([
            askAll(published, asked, GREEDY),
            askAll(published, asked, SAMPLED),
            more.length > 0 ? askAll(more, asked, GREEDY) : undefined,
          ]);
          const share = (n: number | undefined): string =>
            n === undefined ? '' : `${((100 * n) / cases).toFixed(1)} %`;
          const cells = [title, String(turns), (greedy.tokens / cases).toFixed(0), share(greedy.right)];
          if (whole) cells.push(share(whole.right));
          cells.push(share(sampled.right), share(greedy.formed), share(sampled.formed));
          say(`  ${cells.slice(2).join(', ')}`);
          rows.push(cells);
          await save?.(report(rows, cases, f16 !== undefined));
        }
        return report(rows, cases, f16 !== undefined);
      };
      return f16 === undefined ? await score([]) : await withModels(f16, each, score);
    });
  },
};

function report(rows: readonly string[][], cases: number, withF16: boolean): BenchResult {
  const columns = ['what', 'turns between', 'prompt tokens', 'right'];
  if (withF16) columns.push('right in F16');
  columns.push('right at 0.6', 'well formed', 'well formed at 0.6');
  const cut = `Cut short after ${rows.length} of ${ROWS.length} rows.`;
  return {
    tables: [{ caption: `${cases} cases a row: at temperature 0, and at R1's own 0.6 with top_p 0.95`, columns, rows }],
    notes: [
      'Right is the whole answer, letter by letter. Well formed: some reasoning, closed, and an answer after it.',
      'Training held up to 72 turns and 2,048 tokens; what lies beyond is not claimed, and shown.',
      ...(rows.length < ROWS.length ? [cut] : []),
    ],
  };
}

/** So many runtimes of a file, one after the other. */
async function withModels<T>(
  file: string,
  count: number,
  use: (urls: string[]) => Promise<T>,
  urls: string[] = [],
): Promise<T> {
  if (urls.length === count) return await use(urls);
  return await withModel(file, (url) => withModels(file, count, use, [...urls, url]));
}

async function generate(row: string, cases: number, turns: number): Promise<Case[]> {
  const { stdout } = await run('python3', [GENERATOR, row, String(SEED), String(cases), String(turns)], {
    maxBuffer: 2 ** 30,
    env: { ...process.env, PYTHONDONTWRITEBYTECODE: '1' },
  });
  return stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Case);
}

async function askAll(urls: readonly string[], cases: readonly Case[], sampling: object): Promise<Score> {
  const sum = { right: 0, formed: 0, tokens: 0 };
  const waiting = cases.entries();
  await Promise.all(
    Array.from({ length: urls.length * AT_ONCE }, async (_, i) => {
      for (const [seed, asked] of waiting) await ask(urls[i % urls.length]!, asked, { ...sampling, seed }, sum);
    }),
  );
  return sum;
}

interface Answer {
  choices: [{ finish_reason: string; message: { content: string | null; reasoning_content?: string | null } }];
  usage: { prompt_tokens: number };
}

async function ask(url: string, { turns }: Case, sampling: object, sum: Score): Promise<void> {
  const [question, , expected] = turns.at(-1)!;
  const messages = turns.slice(0, -1).flatMap(([user, , assistant]) => [
    { role: 'user', content: user },
    { role: 'assistant', content: assistant },
  ]);
  messages.push({ role: 'user', content: question });
  const body = JSON.stringify({ model: 'm', messages, ...sampling, max_tokens: 200 });
  const { choices, usage } = (await json(await post(`${url}/v1/chat/completions`, body))) as Answer;
  const [{ finish_reason, message }] = choices;
  const content = message.content?.trim() ?? '';
  sum.tokens += usage.prompt_tokens;
  if (content === expected) sum.right++;
  if (finish_reason === 'stop' && content !== '' && message.reasoning_content) sum.formed++;
}

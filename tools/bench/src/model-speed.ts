import { median } from './statistics.js';
import { NANO, withModel } from './nano.js';
import { runStreams } from './streams.js';
import type { Bench, BenchResult } from './types.js';

const RUNS = 5;
const STREAMS = [1, 8, 32];

/** How fast the bundled model answers. */
export const bench: Bench = {
  title: 'How fast vigil-nano-r1 answers, through the runtime.',
  page: 'models/README.md',
  async run(say): Promise<BenchResult> {
    return await withModel(NANO, async (url) => {
      const rows: string[][] = [];
      for (const streams of STREAMS) {
        say(`${streams} streams`);
        const speeds: number[] = [];
        for (let run = 0; run < RUNS; run++) {
          const load = { url, model: 'm', api: 'chat' as const, streams, rounds: 6, prompt: 64, tokens: 64 };
          const { tokens, seconds } = await runStreams(load);
          speeds.push(tokens / seconds);
        }
        const whole = (n: number): string => n.toFixed(0);
        rows.push([
          String(streams),
          whole(median(speeds)),
          `${whole(Math.min(...speeds))} to ${whole(Math.max(...speeds))}`,
        ]);
      }
      return {
        tables: [
          {
            caption: `Answers of 64 tokens: the median of ${RUNS} runs, and their range`,
            columns: ['streams', 'tokens/s', 'range'],
            rows,
          },
        ],
        notes: ['The reader of the answers has its share of the same cores.'],
      };
    });
  },
};

import { buildRandomModel, RANDOM_1_5B } from '@vigil/model';
import { runtimeBench } from './runtime.js';

/** The same where a GPU computes. */
export const bench = runtimeBench(
  {
    model: 'random-1.5b',
    words: 'random weights in Q8_0 with the shape of DeepSeek-R1-Distill-Qwen-1.5B, on the GPU',
    build: () => buildRandomModel(RANDOM_1_5B),
    streams: [
      { streams: 1, rounds: 4 },
      { streams: 8, rounds: 4 },
      { streams: 32, rounds: 4 },
      { streams: 128, rounds: 2 },
    ],
    env: { LLAMA_GPU: 'cuda' },
  },
  process.env.LLAMA_SERVER,
);

import { describe, expect, it } from 'vitest';
import { readEngine } from './read.js';
import { EngineSampler } from './sample.js';
import { LLAMA, VIGIL, VLLM } from './testing-expositions.js';

const at = (seconds: number) => new Date(Date.UTC(2026, 2, 1) + seconds * 1000);
const vllm = (preemptions: number) =>
  readEngine(VLLM.replaceAll(/^(vllm:num_preemptions_total\S*) \S+$/gm, `$1 ${preemptions}`))!;

describe('rows of an engine', () => {
  it('are one a model, with its queue and cache', () => {
    const rows = new EngineSampler('n1', 'r1').rows(vllm(17), at(0));
    expect(rows).toEqual([
      {
        time: at(0),
        node: 'n1',
        server: 'r1',
        kind: 'vllm',
        model: 'deepseek-ai/DeepSeek-R1',
        running: 21,
        waiting: 3,
        kvCacheRatio: 0.8312,
        preemptionRate: null,
      },
    ]);
  });

  it('have preemptions a second since the reading before, and begin anew where the count does', () => {
    const sampler = new EngineSampler('n1', 'r1');
    const ranks = VLLM.match(/^vllm:num_preemptions_total/gm)!.length;
    const rate = (count: number, seconds: number) => sampler.rows(vllm(count), at(seconds))[0]!.preemptionRate;
    expect([rate(100, 0), rate(130, 15), rate(3, 30), rate(3, 30), rate(3, 45)]).toEqual([
      null,
      2 * ranks,
      0.2 * ranks,
      null,
      0,
    ]);
  });

  it('of an engine that tells no cache and no preemptions have none', () => {
    const [row] = new EngineSampler('n1', 'l').rows(readEngine(LLAMA)!, at(0));
    expect(row).toMatchObject({ kind: 'llama-server', kvCacheRatio: null, preemptionRate: null });
    expect(row!.running).not.toBeNull();
  });

  it('of Vigil’s own runtime carry the model that it names once', () => {
    const [row, ...others] = new EngineSampler('n1', 'vigil').rows(readEngine(VIGIL)!, at(0));
    expect(others).toEqual([]);
    expect(row).toMatchObject({ kind: 'vigil', model: 'vigil-nano-r1', running: 2, waiting: 5, kvCacheRatio: 0.25 });
  });
});

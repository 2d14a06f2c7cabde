import { describe, expect, it } from 'vitest';
import { random } from '../testing.js';
import { EXPECTED, MEASURES } from './aliases.js';
import { readEngine, type EngineReading, type HistogramValue } from './read.js';
import {
  LLAMA,
  LLAMA_OLD,
  SGLANG,
  SGLANG_ESCAPED,
  VIGIL,
  VLLM,
  VLLM_OLD,
  VLLM_TO_COME,
} from './testing-expositions.js';

/** Measures by id, as model → value; of histograms their count and sum. */
function plain(reading: EngineReading | undefined): Record<string, unknown> {
  return Object.fromEntries(
    (reading?.measured ?? []).map(({ measure, values }) => [
      measure.id,
      Object.fromEntries(
        values.map(({ model, value }) => [model, typeof value === 'number' ? value : [value.count, value.sum]]),
      ),
    ]),
  );
}
const aliases = (reading: EngineReading | undefined) =>
  Object.fromEntries(
    (reading?.measured ?? []).map(({ measure, alias, guessed }) => [measure.id, guessed ? `${alias}?` : alias]),
  );
const R1 = 'deepseek-ai/DeepSeek-R1';

describe('an engine’s metrics', () => {
  it('of vLLM are read, ranks together: counts added up, of ratios the highest', () => {
    const reading = readEngine(VLLM);
    expect(reading).toMatchObject({ kind: 'vllm', missing: [], unreadable: 0 });
    expect(plain(reading)).toEqual({
      running: { [R1]: 21 },
      waiting: { [R1]: 3 },
      kv_cache_usage: { [R1]: 0.8312 },
      preemptions: { [R1]: 17 },
      input_tokens: { [R1]: 9.81e6 },
      output_tokens: { [R1]: 2.145e7 },
      prefix_cache_hits: { [R1]: 4.2e6 },
      prefix_cache_queries: { [R1]: 9.81e6 },
      queue_time: { [R1]: [5130, 412.5] },
      first_token: { [R1]: [5130, 2565] },
      inter_token: { [R1]: [2.145e7, 5.1e5] },
      duration: { [R1]: [5130, 161234.5] },
    });
    expect(aliases(reading).kv_cache_usage).toBe('vllm:kv_cache_usage_perc');
    const queue = reading!.measured.find(({ measure }) => measure.id === 'queue_time')!.values[0]!
      .value as HistogramValue;
    expect([...queue.buckets]).toEqual([
      ['0.3', 5000],
      ['0.5', 5050],
      ['1.0', 5100],
      ['+Inf', 5130],
    ]);
  });

  it('of Vigil’s own runtime are read, of its model, tokens by kind', () => {
    const reading = readEngine(VIGIL);
    const model = 'vigil-nano-r1';
    expect(reading).toMatchObject({ kind: 'vigil', missing: [], unreadable: 0 });
    expect(plain(reading)).toEqual({
      running: { [model]: 2 },
      waiting: { [model]: 5 },
      kv_cache_usage: { [model]: 0.25 },
      input_tokens: { [model]: 340 },
      output_tokens: { [model]: 900 },
      prefix_cache_hits: { [model]: 40 },
      prefix_cache_queries: { [model]: 340 },
    });
  });

  it('of vLLM before V1 are read under their older names', () => {
    const reading = readEngine(VLLM_OLD);
    expect(reading).toMatchObject({ kind: 'vllm', missing: [] });
    expect(plain(reading)).toMatchObject({
      kv_cache_usage: { r1: 0.42 },
      prefix_cache_hit_ratio: { r1: 0.35 },
      inter_token: { r1: [2, 0.05] },
    });
    expect(aliases(reading)).toMatchObject({
      kv_cache_usage: 'vllm:gpu_cache_usage_perc',
      inter_token: 'vllm:time_per_output_token_seconds',
    });
  });

  it('of a version that is not known are read as far as can be, with what was guessed and what is missing', () => {
    const reading = readEngine(VLLM_TO_COME);
    expect(plain(reading)).toEqual({
      running: { r1: 4 },
      waiting: { r1: 2 },
      kv_cache_usage: { r1: 0.5 },
      input_tokens: { r1: 1000 },
      output_tokens: { r1: 2000 },
      queue_time: { r1: [5, 1.5] },
    });
    expect(aliases(reading)).toMatchObject({
      running: 'vllm:requests_running?',
      input_tokens: 'vllm:prompt_tokens_total',
      queue_time: 'vllm:queue_duration_seconds?',
    });
    expect(reading!.missing).toEqual(['preemptions']);
  });

  it.each([
    ['colons', SGLANG, 'sglang:'],
    ['underscores', SGLANG_ESCAPED, 'sglang_'],
  ])('of SGLang are read with %s', (_, text, prefix) => {
    const reading = readEngine(text);
    expect(reading).toMatchObject({ kind: 'sglang', missing: [], unreadable: 0 });
    expect(plain(reading)).toMatchObject({
      running: { [R1]: 31 },
      waiting: { [R1]: 2826 },
      kv_cache_usage: { [R1]: 0.28 },
      preemptions: { [R1]: 40 },
      preempted: { [R1]: 1 },
      prefix_cache_hits: { [R1]: 61_000 },
      prefix_cache_queries: { [R1]: 8.128902e6 },
      prefix_cache_hit_ratio: { [R1]: 0.0075 },
      queue_time: { [R1]: [101, 22.5] },
    });
    expect(aliases(reading).running).toBe(`${prefix}num_running_reqs`);
  });

  it('of SGLang with priorities are its totals, not those and what they are made of', () => {
    const lines = ['""', '"0"', '"5"'].map(
      (priority, i) => `sglang:num_queue_reqs{priority=${priority}} ${[10, 7, 3][i]}\n`,
    );
    expect(plain(readEngine(lines.join('')))).toEqual({ waiting: { '': 10 } });
    expect(plain(readEngine(lines.slice(1).join('')))).toEqual({ waiting: { '': 10 } });
  });

  it('of llama-server are read, its input tokens with those from the cache', () => {
    expect(plain(readEngine(LLAMA))).toEqual({
      running: { '': 4 },
      waiting: { '': 2 },
      input_tokens: { '': 39_425 },
      output_tokens: { '': 81_234 },
      prefix_cache_hits: { '': 19_425 },
      prefix_cache_queries: { '': 39_425 },
    });
    expect(plain(readEngine(LLAMA_OLD))).toMatchObject({ kv_cache_usage: { '': 0.125 }, input_tokens: { '': 500 } });
  });

  it('of several models are kept apart, of too many not', () => {
    const lines = Array.from({ length: 150 }, (_, i) => `vllm:num_requests_running{model_name="m${i}"} 1`);
    const [running] = readEngine(`${lines.join('\n')}\n`)!.measured;
    expect(running!.values).toHaveLength(101);
    expect(running!.values.at(-1)).toEqual({ model: 'other', value: 50 });
  });

  it.each([
    ['nothing', ''],
    ['another program', 'go_goroutines 5\nprocess_cpu_seconds_total 3\n'],
    ['a page', '<html>vllm: not here</html>'],
  ])('that are none are said to be none: %s', (_, text) => {
    expect(readEngine(text)).toBeUndefined();
  });

  it('skips what is no number, and no line that cannot be read takes another along', () => {
    const text =
      'vllm:num_requests_running NaN\nvllm:num_requests_waiting{model_name="a\\"b\\\\c\\nd"} 2 # {trace_id="x"} 1\n' +
      'vllm:kv_cache_usage_perc{oops 1\nvllm:num_preemptions_total -1\nvllm:prompt_tokens_total +Inf\nvllm:generation_tokens_total 5 1700000000000\r\n';
    const reading = readEngine(text);
    expect(plain(reading)).toEqual({ waiting: { 'a"b\\c\nd': 2 }, output_tokens: { '': 5 } });
    expect(reading!.unreadable).toBe(1);
    expect(reading!.missing).toContain('running');
  });

  it('in OpenMetrics are the same, and end where it ends', () => {
    expect(plain(readEngine('vllm:num_requests_running 1.0\n# EOF\nvllm:num_requests_running 5\n'))).toEqual({
      running: { '': 1 },
    });
  });

  it('that were cut off anywhere hold no number that was not said', () => {
    const text = LLAMA;
    const whole = plain(readEngine(text));
    for (let length = 0; length < text.length; length++)
      for (const [id, values] of Object.entries(plain(readEngine(text.slice(0, length))))) {
        // What is added to it may be missing.
        if (id === 'input_tokens' || id === 'prefix_cache_queries') continue;
        expect(values, `${id} at ${length}`).toEqual(whole[id]);
      }
  });

  it('of any mutation are finite numbers or nothing', () => {
    const next = random(11);
    const below = (n: number) => Math.floor(next() * n);
    const texts = [VLLM, VLLM_OLD, SGLANG, LLAMA];
    let found = 0;
    for (let round = 0; round < 3000; round++) {
      let text = texts[below(texts.length)]!;
      for (let i = below(6); i >= 0; i--) {
        const at = below(text.length);
        const piece = ['', '"', '\\', '{', '}', '\n', '#', ' ', 'NaN', '\0', 'é', '1e999', '-', '_total'][below(14)]!;
        text = text.slice(0, at) + piece + text.slice(at + below(20));
      }
      for (const { values, measure } of readEngine(text)?.measured ?? [])
        for (const { value } of values) {
          found++;
          const numbers = typeof value === 'number' ? [value] : [value.count, value.sum, ...value.buckets.values()];
          expect(numbers.every(Number.isFinite), measure.id).toBe(true);
        }
    }
    expect(found).toBeGreaterThan(10_000);
  });

  it('of a hostile size are read within bounds', () => {
    const line = `vllm:num_requests_running{model_name="m"} 1\n`;
    const reading = readEngine(line.repeat(300_000));
    expect(plain(reading)).toEqual({ running: { m: 200_000 } });
    const buckets = Array.from(
      { length: 5000 },
      (_, i) => `vllm:request_queue_time_seconds_bucket{le="${i}"} 1\n`,
    ).join('');
    const queue = readEngine(
      `${buckets}vllm:request_queue_time_seconds_count 1\nvllm:request_queue_time_seconds_sum 1\n`,
    )!;
    expect((queue.measured[0]!.values[0]!.value as HistogramValue).buckets.size).toBeLessThanOrEqual(201);
  });
});

describe('the table', () => {
  it('names each measure once, expects only what it has, and gives one name one type', () => {
    const ids = MEASURES.map(({ id }) => id);
    expect(new Set(ids).size).toBe(ids.length);
    for (const expected of Object.values(EXPECTED)) expect(ids).toEqual(expect.arrayContaining([...expected]));
    for (const measures of Map.groupBy(MEASURES, ({ metric }) => metric).values())
      expect(new Set(measures.map(({ type, help }) => type + help)).size).toBe(1);
  });
});

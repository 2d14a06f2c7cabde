import { parseRule, type Reading, type Rule } from '@vigil/rules';
import { SIGNALS, takesWindow } from '@vigil/signals';
import { connect, createStore, writeGpuEvents, writeGpuSamples, writeNodeSamples, writeRequests } from '@vigil/store';
import { gpuEventRow, gpuRow, nodeRow, requestRow } from '@vigil/store/testing';
import { createTestDatabase, type TestDatabase } from '@vigil/testing';
import type { DataSource } from 'typeorm';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { readRules } from './read-rules.js';
import { readSignal } from './read.js';

let database: TestDatabase;
let store: DataSource;
const NOW = new Date('2026-03-01T10:20:31Z');
const before = (seconds: number) => new Date(NOW.getTime() - seconds * 1000);
beforeAll(async () => {
  database = await createTestDatabase();
  store = createStore({ url: database.url, applicationName: 'test' });
  await connect(store, database.url);
  const times = Array.from({ length: 40 }, (_, i) => before(i * 15 + 2));
  await writeGpuSamples(
    store,
    times.flatMap((time, i) =>
      ['0', '1', '2'].map((gpu) =>
        gpuRow((i % 7) / 10, { time, gpu, node: gpu === '2' ? 'b' : 'a', nvlinkTx: 1e6 - i * 100 }),
      ),
    ),
  );
  await writeNodeSamples(
    store,
    times.flatMap((time) => ['a', 'b'].map((node) => nodeRow({ time, node }))),
  );
  await writeGpuEvents(store, [gpuEventRow({ time: before(100), node: 'a' })]);
  await writeRequests(
    store,
    times.flatMap((endedAt, i) =>
      ['m', 'n'].map((model) => requestRow({ endedAt, model, node: i % 2 ? 'a' : 'b', responseLatency: i })),
    ),
  );
});
afterAll(async () => {
  await store.destroy();
  await database.drop();
});

const rule = (signal: string, more: string): Rule => {
  const text = `alert: R\nsignal: ${signal}\ncondition: { above: 0 }\nseverity: info\nsummary: x\naction: docs/x.md\n${more}`;
  const parsed = parseRule(text, 'r.yaml');
  if (!parsed.rule) throw new Error(JSON.stringify(parsed.problems));
  return parsed.rule;
};

/** Every signal in several shapes: by all labels, by none, and narrowed down. */
const rules = SIGNALS.flatMap((signal) => {
  const window =
    takesWindow(signal) === 'always' ? ['over: 5m\n'] : takesWindow(signal) === 'optional' ? ['', 'over: 5m\n'] : [''];
  const where = signal.labels.includes('model') ? '{ model: n }' : '{ node: a }';
  return window.flatMap((over) => [
    rule(signal.id, `${over}by: [${signal.labels.join(', ')}]\n`),
    rule(signal.id, `${over}by: []\n`),
    rule(signal.id, `${over}by: []\nwhere: ${where}\n`),
    rule(signal.id, `${over}by: [node]\nwhere: ${where}\n`),
  ]);
});

it('rules read together get what each would get alone', async () => {
  const answers = await readRules(store, rules, NOW);
  expect(answers.size).toBe(rules.length);
  let found = 0;
  for (const one of rules) {
    const alone = await readSignal(store, one, NOW);
    found += alone.length;
    const answer = answers.get(one)!;
    // Sums in another order differ in their last digits.
    const sorted = (values: readonly Reading[]) =>
      values
        .map(({ labels, value, samples }) =>
          JSON.stringify([one.by.map((label) => labels[label]), Number(value.toPrecision(10)), samples]),
        )
        .toSorted();
    expect(
      'values' in answer && sorted(answer.values),
      `${one.signal.id} ${JSON.stringify(one.where)} by ${one.by}`,
    ).toEqual(sorted(alone));
  }
  expect(found).toBeGreaterThan(100);
});

it('each part of a rule is read as of its own time, with its own aggregate', async () => {
  const some = [
    rule('gpu.memory.ratio', 'aggregate: max\nover: 5m\nby: [node]\n'),
    rule('response.latency', 'aggregate: p50\nover: 5m\nby: [model]\nwhere: { model: n }\n'),
    rule('request.rate', 'over: 1m\nby: [model]\ncomparedWith: 5m\n'),
    rule(
      'request.rate',
      'over: 1m\nby: [model]\nand: [{ signal: response.latency, over: 1m, condition: { above: 2 } }]\n',
    ),
  ];
  const answers = await readRules(store, some, NOW);
  const [highest, middle, ratio, both] = some.map((one) => {
    const answer = answers.get(one)!;
    return 'values' in answer ? answer.values.map(({ value, also }) => [Number(value.toFixed(6)), also]) : answer.error;
  });
  expect(highest).toEqual([
    [0.6, undefined],
    [0.6, undefined],
  ]);
  // Requests each 15 s, the latest two seconds ago with a latency of 0, the one before it with 1, and so on.
  expect(middle).toEqual([[9.5, undefined]]);
  expect(ratio).toEqual([
    [1, undefined],
    [1, undefined],
  ]);
  // The mean of 0 to 3 is 1.5.
  expect(both).toEqual([
    [expect.any(Number), false],
    [expect.any(Number), false],
  ]);
});

it('one that can not be read stops none of the others', async () => {
  await database.query('ALTER TABLE gpu_sample RENAME COLUMN power TO strength');
  try {
    const some = rules.filter(
      ({ signal, over }) => ['gpu.power', 'gpu.temperature'].includes(signal.id) && over === null,
    );
    const answers = await readRules(store, some, NOW);
    for (const one of some) expect('error' in answers.get(one)!, one.signal.id).toBe(one.signal.id === 'gpu.power');
  } finally {
    await database.query('ALTER TABLE gpu_sample RENAME COLUMN strength TO power');
  }
});

import {
  connect,
  createStore,
  writeEngineSamples,
  writeGpuEvents,
  writeGpuSamples,
  writeRequests,
  type RequestRow,
} from '@vigil/store';
import { engineRow, gpuEventRow, gpuRow, requestRow } from '@vigil/store/testing';
import { createTestDatabase, type TestDatabase } from '@vigil/testing';
import type { DataSource } from 'typeorm';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { conclude, investigate } from './build.js';
import type { Firing } from './read.js';
import { linesOf } from './words.js';

let database: TestDatabase;
let store: DataSource;
beforeAll(async () => {
  database = await createTestDatabase();
  store = createStore({ url: database.url, applicationName: 'test' });
  await connect(store, database.url);
});
afterAll(async () => {
  await store.destroy();
  await database.drop();
});
beforeEach(async () => {
  for (const table of [
    'request',
    'request_minute',
    'gpu_sample',
    'gpu_minute',
    'gpu_event',
    'engine_sample',
    'engine_minute',
  ])
    await database.query(`TRUNCATE ${table}`);
});

/** The histories end at minute 60; the alert has held since minute 50. */
const BEGIN = Date.parse('2026-03-01T10:00:00Z');
const at = (minute: number): Date => new Date(BEGIN + minute * 60_000);
const every = <T>(seconds: number, make: (minute: number) => T, until = 60): T[] =>
  Array.from({ length: (until * 60) / seconds }, (_, i) => make((i * seconds) / 60));
/** A little noise that is the same in every run. */
const wobble = (minute: number, size: number): number => size * Math.sin(minute * 37.7);

const SLOW: Firing = {
  rule: 'ResponseLatencyHigh',
  fingerprint: 'f',
  labels: { model: 'm' },
  signal: 'response.latency.mean',
  over: 300,
  for: 300,
  activeSince: at(50),
  firedAt: at(55),
};

/** GPU 0 from `full` on 97 % full, GPU 1 never. */
const gpus = (full: number) =>
  every(15, (minute) => [
    gpuRow((minute >= full ? 0.97 : 0.6) + wobble(minute, 0.004), { time: at(minute), node: 'a' }),
    gpuRow(0.6 + wobble(minute, 0.004), { time: at(minute), node: 'a', gpu: '1', uuid: 'GPU-1' }),
  ]).flat();

/** A request every three seconds. */
const requests = (of: (minute: number) => Partial<RequestRow>, until = 60) =>
  every(3, (minute) => requestRow({ startedAt: at(minute), endedAt: at(minute), ...of(minute) }), until);

const calm = (minute: number): Partial<RequestRow> => ({
  responseLatency: 0.3 + wobble(minute, 0.02),
  timeToFirstToken: 0.3 + wobble(minute, 0.02),
  queueDuration: 0.01,
});
const slow = (queue: number, latency: number) => (minute: number) => ({
  ...calm(minute),
  ...(minute >= queue && { queueDuration: 1.5 }),
  ...(minute >= latency && { responseLatency: 2.4, timeToFirstToken: 2.4 }),
});

const look = (firing: Firing = SLOW, now = at(60)) => investigate(store, firing, now);
const order = (incident: Awaited<ReturnType<typeof look>>) => {
  const families = incident.movers.map(({ family, isOwn }) => (isOwn ? `${family}!` : family));
  return families.filter((family, i) => families.indexOf(family) === i);
};

describe('what moved first', () => {
  it('memory fills, then the queue grows, then answers are slow: says so, and of which GPU', async () => {
    await writeGpuSamples(store, gpus(38));
    await writeRequests(store, requests(slow(42, 46)));
    const incident = await look();
    expect(order(incident)).toEqual(['memory', 'queue', 'speed!', 'speed']);
    expect(incident.movers[0]).toMatchObject({
      signal: 'gpu.memory.ratio',
      labels: { node: 'a', gpu: '0', replay: 'false' },
      direction: 'rose',
      onset: at(38).toISOString(),
      isOwn: false,
    });
    expect(incident.movers[0]!.lead).toBeCloseTo(480, -1);
    expect(linesOf(incident)[0]).toMatch(
      /^GPU memory in use of a\/0 \(60\.?\d* % → 97\.?\d* %, 10:38:00\) moved first, 8 min before response latency, then queue time \(10 ms → 1\.5 s, 10:42:00\), then response latency \(3\d\d ms → 2\.4 s, 10:46:00\)\.$/,
    );
  });

  it('more requests came, then the queue grew', async () => {
    const rush = every(
      0.5,
      (i) => requestRow({ endedAt: at(40 + i), startedAt: at(40 + i), ...slow(44, 47)(40 + i) }),
      20,
    );
    await writeRequests(store, [...requests(calm, 40), ...rush]);
    const incident = await look();
    expect(order(incident)[0]).toBe('load');
    expect(linesOf(incident)[0]).toMatch(
      /^Requests \(0\.3\d requests\/s → 2 requests\/s, 10:40:00\) moved first, 7 min before/,
    );
  });

  it('the KV cache of the engine filled, whatever it calls its model, then requests waited in it', async () => {
    const engine = (minute: number) =>
      engineRow({
        time: at(minute),
        node: 'a',
        model: '/models/r1.gguf',
        kvCacheRatio: (minute >= 40 ? 0.99 : 0.3) + wobble(minute, 0.004),
        waiting: minute >= 44 ? 12 : 0,
      });
    await writeEngineSamples(store, every(15, engine));
    await writeRequests(store, requests(slow(60, 46)));
    const incident = await look();
    expect(order(incident)).toEqual(['cache', 'queue', 'speed!', 'speed']);
    const [first, second] = linesOf(incident);
    expect(first).toMatch(
      /^KV cache in use of a\/r1.* \(30\.?\d* % → 99\.?\d* %, 10:40:00\) moved first, 6 min before/,
    );
    expect(second).toMatch(/KV cache in use 99/i);
  });

  it('nothing else moved: says that', async () => {
    await writeGpuSamples(store, gpus(99));
    await writeRequests(store, requests(slow(99, 46)));
    const incident = await look();
    expect(incident.isKnown).toBe(true);
    expect(order(incident)).toEqual(['speed!', 'speed']);
    const [first, second] = linesOf(incident);
    expect(first).toBe('No other signal moved: GPUs, queue and answers are as they were before.');
    expect(second).toMatch(
      /^GPU memory in use 60\.?\d* %, GPU utilisation 50 %, queue time 10 ms\. The quality of answers did not change\.$/,
    );
  });

  it('answers changed after the alert began, and not before', async () => {
    await writeRequests(
      store,
      requests((minute) => ({
        ...slow(99, 40)(minute),
        ...(minute >= 48 && { repetition: 0.8, unclosedReasoning: true }),
      })),
    );
    const incident = await look();
    expect(order(incident)).toEqual(['speed!', 'speed', 'quality']);
    const [first, second, third] = linesOf(incident);
    expect(first).toMatch(
      /^Nothing moved before response latency \(10:40:00\); with it or after it: unclosed reasoning \(0 % → 100 %, 10:48:00\)\.$/,
    );
    expect(second).toMatch(/Answers changed: .*unclosed reasoning 0 % → 100 %.*repetition \(rep-4\) 10 % → 80 %/);
    expect(third).toMatch(/went round in circles \(trace [0-9a-f]{32}\)/);
  });

  it('an XID before it is named first', async () => {
    await writeGpuEvents(store, [gpuEventRow({ time: at(45), node: 'a', gpu: '0' })]);
    await writeRequests(store, requests(slow(99, 46)));
    const incident = await look();
    expect(incident.events).toMatchObject([{ kind: 'xid', code: 79, gpu: '0' }]);
    expect(linesOf(incident)[0]).toMatch(/^XID 79 of a\/0 at 10:45:00 \(The GPU has fallen off the bus\)\. /);
  });

  it('where Vigil has just begun to watch it does not guess', async () => {
    await writeRequests(
      store,
      every(10, (i) => requestRow({ endedAt: at(58 + i), responseLatency: 3 }), 2),
    );
    expect(linesOf(await look())[0]).toBe('Too little is known of the time before to say what moved first.');
  });

  it('and where nothing is known at all', async () => {
    const incident = await look();
    expect(incident).toMatchObject({ status: 'complete', movers: [], requests: { total: 0 } });
    expect(linesOf(incident)).toEqual([
      'Too little is known of the time before to say what moved first.',
      'No answer was scored in this time.',
      'No request ended in this time.',
    ]);
  });
});

describe('the requests behind it', () => {
  it('the slowest, those that failed and those that loop, with their traces', async () => {
    await writeRequests(store, [
      ...requests(calm),
      requestRow({ endedAt: at(52), traceId: 'a'.repeat(32), responseLatency: 9.5, duration: 30 }),
      requestRow({
        endedAt: at(53),
        traceId: 'b'.repeat(32),
        outcome: 'error',
        errorType: 'engine_died',
        responseLatency: null,
      }),
      requestRow({ endedAt: at(54), traceId: 'c'.repeat(32), reasoningRepetition: 0.9 }),
      requestRow({ endedAt: at(54), traceId: 'd'.repeat(32), model: 'other', responseLatency: 99 }),
      requestRow({ endedAt: at(20), traceId: 'e'.repeat(32), responseLatency: 99 }),
    ]);
    const { requests: found } = await look();
    expect(found).toMatchObject({ failed: 1, looping: 1, errors: [{ type: 'engine_died', count: 1 }], isCut: false });
    expect(found.slowest).toHaveLength(5);
    expect(found.slowest[0]).toMatchObject({ traceId: 'a'.repeat(32), responseLatency: 9.5, duration: 30, model: 'm' });
    expect(found.failures.map(({ traceId }) => traceId)).toEqual(['b'.repeat(32)]);
    expect(found.loops.map(({ traceId, repetition }) => [traceId, repetition])).toEqual([['c'.repeat(32), 0.9]]);
    expect(found.total).toBe(303);
  });

  it('of a GPU’s alert are those of its node, or all where it received none', async () => {
    const firing: Firing = { ...SLOW, signal: 'gpu.memory.ratio', labels: { node: 'a', gpu: '0' }, over: null };
    await writeRequests(
      store,
      requests((minute) => ({ ...calm(minute), node: minute % 2 < 1 ? 'a' : 'b' })),
    );
    expect((await look(firing)).requests.total).toBeLessThan(150);
    expect((await look({ ...firing, labels: { node: 'z', gpu: '0' } })).requests.total).toBeGreaterThan(190);
  });
});

it('is completed when it is over: what is back and what is not', async () => {
  await writeGpuSamples(store, gpus(38));
  await writeRequests(
    store,
    requests((m) => (m < 57 ? slow(42, 46)(m) : calm(m))),
  );
  const before = await look(SLOW, at(56));
  const after = await conclude(store, SLOW, before, at(60));
  expect(after.movers).toEqual(before.movers);
  expect(after.requests.total).toBeGreaterThan(before.requests.total);
  const [first, second] = linesOf(after);
  expect(first).toBe(linesOf(before)[0]);
  expect(second).toMatch(
    /^It lasted 10 min\. Back as before: .*queue time \(10 ms\).*\. Not back: GPU memory in use of a\/0 \(97\.?\d* %\)\.$/,
  );
});

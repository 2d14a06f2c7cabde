import { createTestDatabase, type TestDatabase } from '@vigil/testing';
import { findSignal } from '@vigil/signals';
import { DataSource } from 'typeorm';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { writeGpuSamples } from './bulk.js';
import { Initial1700000000000 } from './migrations/1700000000000-initial.js';
import { readLatest, readWindow } from './query/index.js';
import { connect } from './connect.js';
import { createStore } from './store.js';
import { gpuRow } from './testing.js';

const SAMPLE = `INSERT INTO gpu_sample (time, node, gpu, source, replay, memory_used, memory_total, throttle_reasons, processes)
  VALUES ($1, 'a', '0', 'nvidia-smi', false, 50, 100, '[]', '[]')`;
const GAUGES = ['memory_used', 'memory_total', 'memory_ratio', 'utilization', 'memory_utilization', 'temperature'];
const SUMS = [...GAUGES, 'memory_temperature', 'power', 'power_limit'].flatMap((g) => [`${g}_sum`, `${g}_count`]);
/** As the version before writes: with the columns that it knows. */
const MINUTE = `INSERT INTO gpu_minute (minute, node, gpu, replay, ${SUMS.join(', ')}) VALUES ($1, 'a', '0', false, ${SUMS.map(() => 1).join(', ')})`;

let database: TestDatabase;
let first: DataSource;
beforeEach(async () => {
  database = await createTestDatabase();
  first = new DataSource({
    type: 'postgres',
    url: database.url,
    migrations: [Initial1700000000000],
    migrationsTableName: 'vigil_migration',
  });
  await first.initialize();
  await first.runMigrations();
  await database.query(
    `CREATE TABLE gpu_sample_2026_03_01 PARTITION OF gpu_sample FOR VALUES FROM ('2026-03-01 00:00+00') TO ('2026-03-02 00:00+00')`,
  );
});
afterEach(async () => {
  await first.destroy();
  await database.drop();
});

it('a database of the first version keeps its rows, takes new ones, and those of a collector not yet replaced', async () => {
  const time = new Date('2026-03-01T10:00:10Z');
  const minute = new Date('2026-03-01T10:00:00Z');
  await database.query(SAMPLE, [time]);
  await database.query(MINUTE, [minute]);
  const store = createStore({ url: database.url, applicationName: 'test' });
  try {
    await connect(store, database.url);
    const ratio = findSignal('gpu.memory.ratio')!;
    const now = new Date('2026-03-01T10:01:30Z');
    expect((await readLatest(store, ratio, now, ['gpu'])).map((v) => v.value)).toEqual([0.5]);
    expect((await readLatest(store, findSignal('gpu.silence')!, now, ['gpu'])).map((v) => v.value)).toEqual([90]);
    await database.query(MINUTE, [new Date('2026-03-01T10:02:00Z')]);
    await writeGpuSamples(store, [
      gpuRow(0.5, { node: 'a', time: new Date('2026-03-01T10:02:20Z'), temperatureMargin: 40 }),
    ]);
    const window = { from: minute, to: new Date('2026-03-01T10:03:00Z'), by: [] };
    expect(await readWindow(store, findSignal('gpu.temperature.margin')!, window)).toEqual([
      { labels: {}, value: 40, samples: 1 },
    ]);
    const later = new Date('2026-03-01T10:03:20Z');
    expect((await readLatest(store, findSignal('gpu.silence')!, later, ['gpu'])).map((v) => v.value)).toEqual([60]);
  } finally {
    await store.destroy();
  }
});

it('and back again', async () => {
  const columns = () =>
    database.query(
      `SELECT table_name, column_name, data_type FROM information_schema.columns WHERE table_schema = 'public' ORDER BY 1, 2`,
    );
  const before = await columns();
  const store = createStore({ url: database.url, applicationName: 'test' });
  try {
    await store.initialize();
    await store.runMigrations();
    expect(await columns()).not.toEqual(before);
    for (let later = store.migrations.length - 1; later > 0; later--) await store.undoLastMigration();
    expect(await columns()).toEqual(before);
  } finally {
    await store.destroy();
  }
});

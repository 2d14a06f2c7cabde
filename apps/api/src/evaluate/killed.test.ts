import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { connect, createStore, writeGpuSamples } from '@vigil/store';
import { gpuRow } from '@vigil/store/testing';
import { createTestDatabase, type TestDatabase } from '@vigil/testing';
import type { DataSource } from 'typeorm';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { GPU_RULE } from '../testing.js';

/** A process of its own, from a build, as those that serve are. */
const BEATS = fileURLToPath(new URL('../../dist/evaluate/testing-beats.js', import.meta.url));
const SCOPE = 'killed';
const BEAT = 60_000;
const RULE = `${GPU_RULE}for: 1m\nkeepFiring: 1m\n`;

let database: TestDatabase;
let store: DataSource;
/** So that each process need not compile anew what the one before it did. */
let cache: string;
let next: ReturnType<typeof start> | undefined;
beforeAll(async () => {
  cache = await mkdtemp(join(tmpdir(), 'vigil-killed-'));
  database = await createTestDatabase();
  store = createStore({ url: database.url, applicationName: 'test' });
  await connect(store, database.url);
});
afterAll(async () => {
  next?.process.kill('SIGKILL');
  await store.destroy();
  await database.drop();
  await rm(cache, { recursive: true, force: true });
});

interface Step {
  what: string;
  /** What the GPU says; null where it says nothing. */
  value: number | null;
  state: string;
  /** What people are told. */
  told?: string;
  /** The clock jumps so many minutes before. */
  jump?: number;
  /** Whether the rule is muted until the next step. */
  muted?: boolean;
}

const STEPS: Step[] = [
  { what: 'all is well', value: 0.5, state: 'inactive' },
  { what: 'the condition begins to hold', value: 0.95, state: 'pending' },
  { what: 'it holds, but the clock jumped a day forward', value: 0.95, state: 'pending', jump: 1440 },
  { what: 'it has held long enough', value: 0.95, state: 'firing', told: 'firing' },
  { what: 'it is gone, and kept; the clock jumped two days back', value: 0.5, state: 'firing', jump: -2880 },
  { what: 'it is gone long enough', value: 0.5, state: 'resolved', told: 'resolved' },
  { what: 'its data end', value: null, state: 'no_data' },
  { what: 'they come back, and it holds', value: 0.95, state: 'pending' },
  { what: 'it fires, muted', value: 0.95, state: 'firing', muted: true },
  { what: 'it is muted no more', value: 0.95, state: 'firing', told: 'firing' },
  { what: 'its data end while it fires', value: null, state: 'no_data', told: 'no_data' },
  { what: 'they come back, and all is well', value: 0.5, state: 'firing' },
  { what: 'and stays so', value: 0.5, state: 'resolved', told: 'resolved' },
];

/** A process takes its time to start where many do. */
const PATIENCE_MS = 180_000;

it(
  'is killed between each two steps: its successor goes on from where it was, and tells everything once',
  async () => {
    next = start();
    let at = Date.now() - 3 * 24 * 60 * BEAT;
    let told = 0;
    for (const step of STEPS) {
      at += BEAT * (1 + (step.jump ?? 0));
      await database.query('TRUNCATE gpu_sample, gpu_minute');
      if (step.value !== null) await writeGpuSamples(store, [gpuRow(step.value, { time: new Date(at) })]);
      if (step.muted) await mute(at);
      const child = next!;
      await child.ready;
      next = start();
      child.process.send(at);
      const [result] = (await once(child.process, 'message')) as [string];
      expect(result, step.what).toBe('evaluated');
      child.process.kill('SIGKILL');
      const [{ state }] = (await database.query('SELECT state FROM alert')) as [{ state: string }];
      expect(state, step.what).toBe(step.state);
      const messages = await sent();
      expect(messages.slice(told), step.what).toEqual(step.told === undefined ? [] : [step.told]);
      told = messages.length;
    }
    // Each change of state is in the history once, whoever was there.
    const rows = await database.query('SELECT to_state FROM alert_transition ORDER BY id');
    const changes = STEPS.map(({ state }) => state).filter((state, i, all) => state !== (all[i - 1] ?? 'inactive'));
    expect(rows.map(({ to_state }) => to_state)).toEqual(changes);
  },
  PATIENCE_MS,
);

/** The next process is there before the one before it is gone: only one of them is told to do anything. */
function start(): { process: ChildProcess; ready: Promise<unknown> } {
  const child = fork(BEATS, [database.url, SCOPE, RULE], {
    env: { PATH: process.env.PATH, NODE_COMPILE_CACHE: cache },
  });
  return { process: child, ready: once(child, 'message') };
}

async function mute(at: number): Promise<void> {
  await database.query(
    `INSERT INTO silence (scope, match, "unless", starts_at, ends_at, reason, created_at)
     VALUES ($1, '{"rule": ["GpuFull"]}', '{}', $2, $3, 'Known', now())`,
    [SCOPE, new Date(at), new Date(at + BEAT)],
  );
}

/** What the receiver is told, oldest first: what is held back is not. */
async function sent(): Promise<string[]> {
  const rows = await database.query(
    `SELECT t.to_state FROM notification n JOIN alert_transition t ON t.id = ANY(n.transitions)
     WHERE n.channel <> '@inbox' AND n.status NOT IN ('held', 'skipped') ORDER BY n.id, t.id`,
  );
  return rows.map(({ to_state }) => to_state as string);
}

import { once } from 'node:events';
import { connect, createStore, writeGpuSamples } from '@vigil/store';
import { createTestDatabase, until, type TestDatabase } from '@vigil/testing';
import type { DataSource } from 'typeorm';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { gpuRow } from '@vigil/store/testing';
import { ApiProcess } from './testing-process.js';
import { GPU_RULE, silence, startReceiver, writeRules, type Receiver } from './testing.js';

let database: TestDatabase;
let store: DataSource;
let rules: Awaited<ReturnType<typeof writeRules>>;
beforeAll(async () => {
  database = await createTestDatabase();
  store = createStore({ url: database.url, applicationName: 'test' });
  await connect(store, database.url);
  rules = await writeRules({ 'gpu.yaml': GPU_RULE });
});
afterAll(async () => {
  await store.destroy();
  await database.drop();
  await rules.remove();
});

let running: ApiProcess[] = [];
let receiver: Receiver;
let scopes = 0;
let scope: string;
beforeEach(async () => {
  receiver = await startReceiver();
  scope = `processes-${++scopes}`;
  await database.query('DELETE FROM gpu_sample');
});
afterEach(async () => {
  await Promise.all(running.map((api) => api.end('SIGKILL')));
  running = [];
  await receiver.close();
});

/** A process on the database of this file. */
function run(env: Record<string, string>): ApiProcess {
  const api = ApiProcess.run({ DATABASE_URL: database.url, ...env });
  running.push(api);
  return api;
}
const env = () => ({ RULES_DIR: rules.folder, ALERT_SCOPE: scope, SLACK_WEBHOOK_URL: receiver.url });
const fill = (ratio: number) => writeGpuSamples(store, [gpuRow(ratio, { time: new Date() })]);
const headlines = () => receiver.received.map(({ body }) => body.blocks[0].text.text as string);
const count = async (sql: string): Promise<number> => (await database.query(sql, [scope]))[0]!.n;
const transitions = () => count('SELECT count(*)::int AS n FROM alert_transition WHERE scope = $1');
const unsent = () => count(`SELECT count(*)::int AS n FROM notification WHERE scope = $1 AND status <> 'sent'`);

describe('a process that is killed', () => {
  it('between the firing and the delivery: its successor tells, once', async () => {
    await receiver.close();
    const first = await run(env()).ready();
    await fill(0.95);
    await until(
      'a failed attempt',
      async () => (await count('SELECT coalesce(max(attempts), 0) AS n FROM notification WHERE scope = $1')) > 0,
    );
    await first.end('SIGKILL');
    receiver = await startReceiver(receiver.port);
    await run(env()).ready();
    await until('the message', async () => receiver.received.length > 0 && (await unsent()) === 0);
    expect(headlines()).toEqual(['🔴 Firing: GpuFull']);
    expect(await transitions()).toBe(1);
  });

  it('while it delivers: its successor tells again, with the same key', async () => {
    receiver.script.push(silence);
    const first = await run({ ...env(), NOTIFY_TIMEOUT: '1s' }).ready();
    await fill(0.95);
    await until('the message to be under way', () => receiver.received.length === 1);
    await first.end('SIGKILL');
    await run({ ...env(), NOTIFY_TIMEOUT: '1s' }).ready();
    await until('the second attempt', async () => receiver.received.length === 2 && (await unsent()) === 0);
    const keys = receiver.received.map(({ headers }) => headers['idempotency-key']);
    expect(keys[0]).toBe(keys[1]);
    expect(await transitions()).toBe(1);
  });

  /** Holds every process back at one step of a message, as a database does that is slow at the wrong moment. */
  async function holdAt(condition: string): Promise<() => Promise<void>> {
    const runner = store.createQueryRunner();
    await runner.connect();
    await runner.query('SELECT pg_advisory_lock(4711)');
    await database.query(
      `CREATE OR REPLACE FUNCTION hold() RETURNS trigger LANGUAGE plpgsql AS
       $$ BEGIN PERFORM pg_advisory_xact_lock_shared(4711); RETURN NEW; END $$`,
    );
    await database.query(
      `CREATE TRIGGER hold BEFORE INSERT OR UPDATE ON notification FOR EACH ROW WHEN (${condition}) EXECUTE FUNCTION hold()`,
    );
    return async () => {
      // What the dead process had begun dies with it, as where its machine is gone.
      await runner.query(
        `SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND objid = 4711 AND NOT granted`,
      );
      await until('nobody to wait', async () => {
        const rows = await runner.query(
          `SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND objid = 4711 AND NOT granted`,
        );
        return (rows as unknown[]).length === 0;
      });
      await runner.query('SELECT pg_advisory_unlock(4711)');
      await runner.release();
      await database.query('DROP TRIGGER hold ON notification');
    };
  }
  const isHeld = async () =>
    (await database.query(`SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND objid = 4711 AND NOT granted`))
      .length > 0;

  it.each([
    ['as it decides that the alert fires', `NEW.channel = '@inbox'`, 1],
    [
      'as it puts the message for a receiver into the outbox',
      `NEW.channel <> '@inbox' AND NEW.attempts = 0 AND NEW.status = 'waiting'`,
      1,
    ],
    ['as it takes the message out of the outbox', `NEW.attempts = 1 AND NEW.status = 'waiting'`, 1],
    ['after it has delivered, as it writes that down', `NEW.status = 'sent'`, 2],
  ])('%s: its successor tells, and every message of the transition has one key', async (_, condition, told) => {
    const release = await holdAt(condition);
    const first = await run({ ...env(), NOTIFY_TIMEOUT: '100ms' }).ready();
    await fill(0.95);
    await until('the step', isHeld);
    await first.end('SIGKILL');
    await release();
    await run({ ...env(), NOTIFY_TIMEOUT: '100ms' }).ready();
    await until('the message', async () => receiver.received.length >= told && (await unsent()) === 0);
    expect(headlines()).toEqual(Array.from({ length: told }, () => '🔴 Firing: GpuFull'));
    expect(new Set(receiver.received.map(({ headers }) => headers['idempotency-key'])).size).toBe(1);
    expect(await transitions()).toBe(1);
  });
});

describe('two processes on one database', () => {
  it('tell each transition once, one of them evaluates, and the other takes over', async () => {
    const apis = await Promise.all([run(env()).ready(), run(env()).ready()]);
    await fill(0.95);
    await until('the message', async () => receiver.received.length > 0 && (await unsent()) === 0);
    const leaders = () => Promise.all(apis.map((api) => api.metric('vigil_evaluator_leader')));
    await until('one to lead', async () => (await leaders()).toSorted().join(' ') === '0 1');
    const leader = (await leaders()).indexOf(1);
    const follower = apis[1 - leader]!;
    const looks = () => follower.metric('vigil_evaluation_beats_total', 'result="elsewhere"');
    await apis[leader]!.end('SIGKILL');
    const before = await looks();
    await until('the other to lead', async () => (await follower.metric('vigil_evaluator_leader')) === 1);
    // It may have looked once when the last beat was fresh, and once while PostgreSQL found out that the leader is gone.
    expect((await looks()) - before).toBeLessThanOrEqual(2);
    await fill(0.4);
    await until('the end', async () => receiver.received.length > 1 && (await unsent()) === 0);
    expect(headlines()).toEqual(['🔴 Firing: GpuFull', '🟢 Resolved: GpuFull']);
    expect(await transitions()).toBe(2);
  });

  it('with scopes of their own do not touch one another', async () => {
    await Promise.all([run(env()).ready(), run({ ...env(), ALERT_SCOPE: `${scope}-other` }).ready()]);
    await fill(0.95);
    await until('both messages', () => receiver.received.length === 2);
    expect(await transitions()).toBe(1);
    await database.query('DELETE FROM gpu_sample');
  });
});

describe('a start that can not succeed', () => {
  it.each([
    ['no DATABASE_URL', { DATABASE_URL: '' }, 'DATABASE_URL is not set: a URL such as postgres://'],
    [
      'a wrong DATABASE_URL',
      { DATABASE_URL: 'mysql://u:hidden@x' },
      'DATABASE_URL is wrong: a URL that begins with postgres',
    ],
    [
      'a database that is away',
      { DATABASE_URL: 'postgres://u:hidden@127.0.0.1:1/x', DATABASE_WAIT: '0s' },
      'No PostgreSQL answers at 127.0.0.1:1/x. Start it, or correct DATABASE_URL.',
    ],
    [
      'an interval that is too short',
      { EVALUATION_INTERVAL: '100ms' },
      'EVALUATION_INTERVAL is "100ms": a duration such as 500ms, 15s or 10m, at least 200ms, is expected.',
    ],
    [
      'a webhook that is none',
      { SLACK_WEBHOOK_URL: 'hooks.slack.com/hidden' },
      'SLACK_WEBHOOK_URL is wrong: a URL that begins with http',
    ],
    [
      'a folder of rules that is not there',
      { RULES_DIR: '/nowhere' },
      "The folder of rules /nowhere can't be read (ENOENT). Set RULES_DIR to one that can.",
    ],
    [
      'a rule to switch on that is none',
      { RULES_ENABLE: 'GpuFulll' },
      'RULES_ENABLE names "GpuFulll", which is no rule; did you mean GpuFull?',
    ],
  ])('%s: says why, and ends with 1', async (_, change, sentence) => {
    const api = run({ ...env(), ...(change as Record<string, string>) });
    await once(api.child, 'close');
    expect(api.child.exitCode).toBe(1);
    expect(api.output).toContain(sentence);
    expect(api.failure).toContain(sentence);
    expect(api.output).not.toMatch(/hidden|\n\s+at /);
  });

  it('a port that is taken: says which, and leaves nothing behind', async () => {
    const api = run({ ...env(), API_PORT: String(receiver.port) });
    await once(api.child, 'close');
    expect(api.child.exitCode).toBe(1);
    expect(api.output).toContain(`Port ${receiver.port} on 127.0.0.1 is taken.`);
    expect(api.output).toContain('API_PORT');
  });

  it('wrong rules: names every mistake', async () => {
    const wrong = await writeRules({
      'a.yaml': GPU_RULE.replace('memory.ratio', 'memory.rate'),
      'b.yaml': `${GPU_RULE}for: soon\n`,
    });
    const api = run({ ...env(), RULES_DIR: wrong.folder });
    await once(api.child, 'close');
    expect(api.child.exitCode).toBe(1);
    expect(api.output).toMatch(/a\.yaml:2: There is no signal "gpu\.memory\.rate"; did you mean gpu\.memory\.ratio\?/);
    expect(api.output).toMatch(/b\.yaml:8: "for" is "soon"/);
    await wrong.remove();
  });

  it("without RULES_DIR, the repository's rules are evaluated, and those that are off are shown", async () => {
    const rulesOf = async (env: Record<string, string>) => {
      const api = await run({ ALERT_SCOPE: scope, ...env }).ready();
      const { items } = (await (await fetch(`${api.address}/api/v1/rules`)).json()) as {
        items: { rule: string; enabled: boolean; lastEvaluation: string | null }[];
      };
      expect(await api.end()).toBe(0);
      const names = (enabled: boolean) => items.filter((r) => r.enabled === enabled).map((r) => r.rule);
      return { on: names(true).toSorted(), off: names(false) };
    };
    const three = ['ErrorRatioHigh', 'GpuMemoryHigh', 'ResponseLatencyHigh'];
    const { on, off } = await rulesOf({});
    expect(on).toEqual(three);
    expect(off).toEqual(expect.arrayContaining(['GpuLost', 'NodeSilent']));
    expect((await rulesOf({ RULES_ENABLE: 'GpuLost, NodeSilent' })).on).toEqual(
      [...three, 'GpuLost', 'NodeSilent'].toSorted(),
    );
    expect((await rulesOf({ RULES_ENABLE: 'infrastructure,conversation' })).off.toSorted()).toEqual([
      'AvailabilityBudgetBurning',
      'KvCacheNearlyFull',
      'ThroughputFell',
    ]);
  });
});

import { createLogger, type App } from '@vigil/service';
import { connect, createStore, writeGpuEvents, writeGpuSamples, writeNodeSamples } from '@vigil/store';
import { gpuEventRow, gpuRow, nodeRow } from '@vigil/store/testing';
import { createTestDatabase, until, type TestDatabase } from '@vigil/testing';
import type { DataSource } from 'typeorm';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { createApp } from '../app.js';
import { startReceiver, testConfig, writeRules, type Receiver } from '../testing.js';

const rule = (name: string, signal: string, labels: string, more: string) => `alert: ${name}
signal: ${signal}
condition: { above: ${signal.endsWith('silence') ? 60 : 0} }
by: [${labels}]
${more}severity: critical
summary: '${name} {{ $labels.node }}'
action: docs/runbooks/node-silent.md
`;
/** The shipped rules on absence, without the minutes for which they wait. */
const RULES = {
  'silent.yaml': rule('Silent', 'node.silence', 'node', ''),
  'lost.yaml': rule('Lost', 'gpu.silence', 'node, gpu', ''),
  'missing.yaml': rule('Missing', 'gpu.missing', 'node', ''),
  'xid.yaml': rule('Xid', 'gpu.xid.count', 'node, code', 'over: 10m\nwhere: { class: critical }\n'),
};
const TABLES = 'gpu_sample, gpu_minute, node_sample, node_minute, gpu_event, gpu_event_minute';

let database: TestDatabase;
let store: DataSource;
let rules: Awaited<ReturnType<typeof writeRules>>;
beforeAll(async () => {
  database = await createTestDatabase();
  store = createStore({ url: database.url, applicationName: 'test' });
  await connect(store, database.url);
  rules = await writeRules(RULES);
});
afterAll(async () => {
  await store.destroy();
  await database.drop();
  await rules.remove();
});

let receiver: Receiver;
let app: App | undefined;
let scopes = 0;
let scope: string;
beforeEach(async () => {
  receiver = await startReceiver();
  scope = `absence-${++scopes}`;
  await database.query(`TRUNCATE ${TABLES}`);
});
afterEach(async () => {
  await app?.stop();
  app = undefined;
  await receiver.close();
});

async function startApi(graceSeconds = 0): Promise<string> {
  const env = { DATABASE_URL: database.url, RULES_DIR: rules.folder, ALERT_SCOPE: scope };
  const config = testConfig({ ...env, WEBHOOK_URL: receiver.url });
  app = createApp({ config, log: createLogger('api', 'silent'), graceSeconds });
  return (await app.start()).api!;
}

const told = () => receiver.received.map(({ body }) => [body.status, body.rule, body.labels.node]);
const evaluated = async (api: string): Promise<number> => {
  const text = await (await fetch(`${api}/metrics`)).text();
  return Number(/^vigil_evaluation_beats_total\{.*result="evaluated".*\} (\d+)/m.exec(text)?.[1] ?? 0);
};
const someBeats = async (api: string) => {
  const before = await evaluated(api);
  await until('some beats', async () => (await evaluated(api)) > before + 2);
};
const ago = (seconds: number) => new Date(Date.now() - seconds * 1000);
const states = async (name: string) =>
  (
    await database.query('SELECT labels, state FROM alert WHERE scope = $1 AND rule = $2 ORDER BY fingerprint', [
      scope,
      name,
    ])
  ).map((row) => [row.labels.node, row.state]);
/** As if the node's rows had aged by more than a day. */
const forget = () => database.query('TRUNCATE node_sample, node_minute');

describe('a node that falls silent', () => {
  it('fires, is not over because even its silence is forgotten, and is over once it is back', async () => {
    await writeNodeSamples(store, [nodeRow({ node: 'a' }), nodeRow({ node: 'b', time: ago(600) })]);
    const api = await startApi();
    await until('the alarm', () => told().length === 1);
    await someBeats(api);
    expect(told()).toEqual([['firing', 'Silent', 'b']]);
    await forget();
    await until('the end of its data to be told', () => told().length === 2);
    await someBeats(api);
    expect(told()[1]).toEqual(['no_data', 'Silent', 'b']);
    await writeNodeSamples(store, [nodeRow({ node: 'b' })]);
    await until('the end', () => told().length === 3);
    expect(told()[2]).toEqual(['resolved', 'Silent', 'b']);
  });

  it('does not fire after a start or an outage of ours, when its rows may only not be stored yet', async () => {
    await writeNodeSamples(store, [nodeRow({ node: 'a', time: ago(8 * 3600) })]);
    await writeGpuSamples(store, [gpuRow(0.5, { node: 'a', time: ago(8 * 3600) })]);
    const api = await startApi(3600);
    await someBeats(api);
    expect([told(), await states('Silent'), await states('Lost')]).toEqual([[], [], []]);
  });

  it('stays silent over a restart of ours, and says nothing twice', async () => {
    await writeNodeSamples(store, [nodeRow({ node: 'a', time: ago(600) })]);
    await startApi();
    await until('the alarm', () => told().length === 1);
    await app!.stop();
    await someBeats(await startApi(3600));
    expect(await states('Silent')).toEqual([['a', 'firing']]);
    expect(told()).toHaveLength(1);
  });
});

describe('a GPU that vanishes', () => {
  it('fires for it alone, whether it is missing from the count or from the readings', async () => {
    await writeNodeSamples(store, [
      nodeRow({ node: 'a', gpuCount: 2, time: ago(300) }),
      nodeRow({ node: 'a', gpuCount: 1 }),
      nodeRow({ node: 'b', gpuCount: 4 }),
    ]);
    await writeGpuSamples(store, [
      gpuRow(0.5, { node: 'a', gpu: '0' }),
      gpuRow(0.5, { node: 'a', gpu: '1', time: ago(300) }),
    ]);
    const api = await startApi();
    await until('both alarms', () => told().length === 2);
    await someBeats(api);
    expect(told().toSorted()).toEqual([
      ['firing', 'Lost', 'a'],
      ['firing', 'Missing', 'a'],
    ]);
    expect(receiver.received.find(({ body }) => body.rule === 'Lost')!.body.labels.gpu).toBe('1');
  });
});

describe('an XID', () => {
  /** As if ten minutes had passed. */
  const age = async () => {
    await database.query('DELETE FROM gpu_event');
    await database.query(`UPDATE gpu_event_minute SET minute = minute - interval '15 minutes'`);
  };

  it('is over when no more came while the node reported, and not when nobody looked', async () => {
    await writeGpuEvents(
      store,
      ['a', 'b'].flatMap((node) => [
        gpuEventRow({ node, time: ago(300) }),
        gpuEventRow({ node, time: ago(300), code: 31, class: 'application' }),
      ]),
    );
    await writeNodeSamples(store, [nodeRow({ node: 'a' })]);
    const api = await startApi();
    await until('both alarms', () => told().length === 2);
    await someBeats(api);
    expect(told().toSorted()).toEqual([
      ['firing', 'Xid', 'a'],
      ['firing', 'Xid', 'b'],
    ]);
    expect(receiver.received.every(({ body }) => body.labels.code === '79')).toBe(true);
    await age();
    await writeNodeSamples(store, [nodeRow({ node: 'a' })]);
    await until('both to be told', () => told().length === 4);
    expect(told().slice(2).toSorted()).toEqual([
      ['no_data', 'Xid', 'b'],
      ['resolved', 'Xid', 'a'],
    ]);
  });
});

import { decide, parseRule } from '@vigil/rules';
import { createLogger } from '@vigil/service';
import { connect, createStore, transaction } from '@vigil/store';
import { createTestDatabase } from '@vigil/testing';
import { expect, it } from 'vitest';
import { Recorder } from '../evaluate/recorder.js';
import { GPU_RULE, testConfig } from '../testing.js';
import { INBOX } from './channels.js';
import { Dispatcher } from './dispatcher.js';
import { notifyOf } from './settings/index.js';
import { addSilence } from './silence-store.js';

it('a silence that begins while a pass is under way holds back what fires after it', async () => {
  const database = await createTestDatabase();
  const store = createStore({ url: database.url, applicationName: 'test' });
  await connect(store, database.url);
  const scope = 'default';
  const log = createLogger('test', 'silent');
  const rule = parseRule(GPU_RULE, 'alerts/gpu.yaml').rule!;
  const recorder = new Recorder({ scope, channels: [INBOX], publicUrl: () => '', log });
  const fire = async (gpu: string) => {
    const labels = { node: 'a', gpu, replay: 'false' };
    const options = { maxGapSeconds: 60, absenceCounts: true };
    const [transition] = decide(rule, [], [{ labels, value: 0.95 }], new Date(), options).transitions;
    await transaction(store, (sql) => recorder.record(sql, { rule, steps: [], hasRunbook: false }, transition!));
  };
  const { receivers, routes } = notifyOf(
    testConfig({ DATABASE_URL: database.url, WEBHOOK_URL: 'http://127.0.0.1:1/' }),
  );
  const dispatcher = new Dispatcher({
    store,
    scope,
    receivers,
    routes,
    rules: () => [rule],
    trend: async () => undefined,
    incidents: {
      // What is found out about why an alert fired may take its time: meanwhile somebody silences another one.
      prepare: async () => {
        await new Promise((resume) => setTimeout(resume, 5));
        const [startsAt, endsAt] = [new Date(), new Date(Date.now() + 3_600_000)];
        const silence = { match: { gpu: ['1'] }, unless: {}, startsAt, endsAt, reason: 'known', createdBy: null };
        await addSilence(store, scope, silence);
        await fire('1');
      },
    },
    log,
  });
  await fire('0');
  await dispatcher.pass();
  const rows = await database.query(
    `SELECT t.labels->>'gpu' AS gpu, n.status FROM notification n JOIN alert_transition t ON t.id = ANY(n.transitions)
     WHERE n.channel <> '@inbox' ORDER BY gpu`,
  );
  expect(rows).toEqual([
    { gpu: '0', status: 'waiting' },
    { gpu: '1', status: 'held' },
  ]);
  await store.destroy();
  await database.drop();
});

import { createLogger, createRegistry } from '@vigil/service';
import { parseRule } from '@vigil/rules';
import { createStore } from '@vigil/store';
import { DatabaseState } from '../database.js';
import { createMetrics } from '../metrics.js';
import { INBOX } from '../notify/channels.js';
import { Dispatcher } from '../notify/dispatcher.js';
import { notifyOf } from '../notify/settings/index.js';
import { testConfig } from '../testing.js';
import { Evaluator } from './evaluator.js';
import { Recorder } from './recorder.js';

/** A process that makes one beat whenever it is told to, as of a time that it is told, and then sees who has to be told. */
const [url = '', scope = '', source = ''] = process.argv.slice(2);
const log = createLogger('beats', 'silent');
const store = createStore({ url, applicationName: 'beats' });
await store.initialize();
const { receivers, routes } = notifyOf(testConfig({ DATABASE_URL: url, WEBHOOK_URL: 'http://127.0.0.1:1/' }));
const { rule } = parseRule(source, 'alerts/test.yaml');
let now = new Date();
const rules = [{ rule: rule!, steps: [], hasRunbook: false }];
const evaluator = new Evaluator({
  store,
  scope,
  rules: () => rules,
  recorder: new Recorder({ scope, channels: [INBOX], publicUrl: () => '', log }),
  intervalSeconds: 60,
  graceSeconds: 0,
  database: new DatabaseState(),
  metrics: createMetrics(createRegistry('beats', '0')),
  log,
  onMessages: () => undefined,
  now: () => now,
});
const dispatcher = new Dispatcher({
  store,
  scope,
  receivers,
  routes,
  rules: () => [rule!],
  trend: async () => undefined,
  incidents: { prepare: async () => undefined },
  log,
});
process.on('message', async (at: number) => {
  now = new Date(at);
  const result = await evaluator.beat();
  while (await dispatcher.pass(now));
  process.send!(result);
});
process.on('disconnect', () => process.exit());
process.send!('ready');

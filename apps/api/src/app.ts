import { join, resolve } from 'node:path';
import {
  createLogger,
  createRegistry,
  createWeb,
  Health,
  Lifecycle,
  listen,
  UserError,
  type App,
  type Logger,
} from '@vigil/service';
import type { DataSource } from 'typeorm';
import { ROOT, type ApiConfig } from './config.js';
import { DatabaseState } from './database.js';
import { Evaluator } from './evaluate/evaluator.js';
import { EvaluationSchedule } from './evaluate/schedule.js';
import { Recorder } from './evaluate/recorder.js';
import { serveDocs } from './http/docs.js';
import { Door } from './http/door.js';
import { ErrorFilter } from './http/errors.js';
import { secure } from './http/security.js';
import { takeYaml } from './http/yaml.js';
import { Heartbeat } from './heartbeat.js';
import { IncidentKeeper } from './incident/keeper.js';
import { createMetrics, lagGauge } from './metrics.js';
import { ApiModule } from './module.js';
import { INBOX } from './notify/channels.js';
import { Delivery } from './notify/delivery.js';
import { Dispatcher } from './notify/dispatcher.js';
import { environmentTarget, notifyOf } from './notify/settings/index.js';
import { trendReader } from './notify/trend.js';
import { FolderError, RuleError, RuleFolder } from '@vigil/rules';
import { RuleBook, type BookFolder } from './rules/book.js';
import { makeStore, openStores } from './stores.js';

const VERSION = '0.1.0';

export interface ApiOptions {
  config: ApiConfig;
  log?: Logger;
  /** For how long after a start or an outage missing data mean nothing, in seconds; a minute unless given. */
  graceSeconds?: number;
  /** Between two looks at the folders of rules, in seconds; two unless given. */
  rulesEverySeconds?: number;
}

/** The API with its evaluator and its deliveries. Nothing is touched before `start`. */
export function createApp(options: ApiOptions): App {
  const { config, log = createLogger('api', config.LOG_LEVEL), graceSeconds = 60, rulesEverySeconds = 2 } = options;
  const lifecycle = new Lifecycle(log);
  return {
    start: async () => {
      try {
        return await start(config, { graceSeconds, rulesEverySeconds }, log, lifecycle);
      } catch (error) {
        await lifecycle.stop();
        throw error;
      }
    },
    stop: () => lifecycle.stop(),
  };
}

async function start(
  config: ApiConfig,
  { graceSeconds, rulesEverySeconds }: Required<Pick<ApiOptions, 'graceSeconds' | 'rulesEverySeconds'>>,
  log: Logger,
  lifecycle: Lifecycle,
): Promise<Record<string, string>> {
  const { receivers, routes } = notifyOf(config);
  // Alerting has connections of its own: whoever reads a lot must not keep it waiting.
  const store = makeStore(config, 'vigil-api alerts', 30, log, lifecycle);
  // Somebody waits for what is read here.
  const readers = makeStore(config, 'vigil-api', 5, log, lifecycle);

  const registry = createRegistry('api', VERSION);
  const metrics = createMetrics(registry);
  const database = new DatabaseState('PostgreSQL was not reached yet.');
  const health = new Health();
  health.add({ name: 'postgresql', required: true, check: () => database.reason });

  const scope = config.ALERT_SCOPE;
  const book = new RuleBook({
    scope,
    folders: foldersOf(config),
    enable: config.RULES_ENABLE,
    everySeconds: rulesEverySeconds,
    metrics,
    log,
  });
  lifecycle.onStop('rules', () => book.stop());
  const timeoutSeconds = config.NOTIFY_TIMEOUT;
  const trend = trendReader(readers, () => book.rules);
  const incidents = new IncidentKeeper({ store: readers, scope, metrics, log });
  lifecycle.onStop('incidents', () => incidents.stop());
  const dispatcher = new Dispatcher({
    store,
    scope,
    receivers,
    routes,
    rules: () => book.rules,
    trend,
    incidents,
    log,
  });
  const delivery = new Delivery({ store, scope, receivers, dispatcher, timeoutSeconds, database, metrics, log });
  lifecycle.onStop('delivery', () => delivery.stop());

  let address = '';
  const publicUrl = () => (config.PUBLIC_URL ?? address).replace(/\/+$/, '');
  const evaluator = new Evaluator({
    store,
    scope,
    rules: () => book.enabled,
    refresh: (sql) => book.refresh(sql),
    // Where nobody can be told, nothing is put down.
    recorder: new Recorder({ scope, channels: receivers.length > 0 ? [INBOX] : [], publicUrl, log }),
    intervalSeconds: config.EVALUATION_INTERVAL,
    graceSeconds,
    database,
    metrics,
    log,
    onMessages: () => delivery.wake(),
  });
  registry.registerMetric(lagGauge(() => evaluator.lag(new Date())));
  if (config.HEARTBEAT_URL !== undefined) {
    const target = environmentTarget('HEARTBEAT_URL', config.HEARTBEAT_URL, config.NOTIFY_ALLOW_PRIVATE);
    const heartbeat = new Heartbeat({
      target,
      intervalSeconds: config.HEARTBEAT_INTERVAL,
      timeoutSeconds,
      obstacle: (now) => evaluator.obstacle(now),
      metrics,
      log,
    });
    lifecycle.onStop('heartbeat', () => heartbeat.stop());
    heartbeat.start();
  }
  health.add({ name: 'evaluation', required: true, check: () => evaluator.overdue(new Date()) });
  const context = {
    store: readers,
    scope,
    book,
    evaluator,
    publicUrl,
    received: {
      key: config.ALERTMANAGER_WEBHOOK_KEY,
      count: (alerts: { stored: number; own: number }) => {
        for (const [result, count] of Object.entries(alerts)) metrics.received.inc({ result }, count);
      },
    },
    onOutbox: () => delivery.wake(),
  };
  const door = new Door();
  const app = await createWeb({
    module: ApiModule.of(context, config.EVALUATION_INTERVAL),
    health,
    registry,
    log,
    lifecycle,
    configure: (web) => {
      secure(web);
      takeYaml(web);
      web.useGlobalFilters(new ErrorFilter(log));
      web.useGlobalGuards(door);
      serveDocs(web, VERSION);
    },
  });
  // Before PostgreSQL is there: meanwhile /health says what is waited for.
  address = await listen(app, config.HOST, config.API_PORT, 'API_PORT');
  await openStores([store, readers], config, database, log, lifecycle);
  await openBook(book, readers);
  database.well();
  door.open();
  delivery.start();
  incidents.start();
  book.watch();
  app.get(EvaluationSchedule).start();
  log.info(
    {
      address,
      rules: book.enabled.length,
      off: book.rules.length - book.enabled.length,
      channels: receivers.map(({ name, where }) => `${name} at ${where}`),
    },
    'the API serves',
  );
  return { api: address };
}

async function openBook(book: RuleBook, store: DataSource): Promise<void> {
  try {
    await book.open(store);
  } catch (error) {
    throw error instanceof RuleError || error instanceof FolderError ? new UserError(error.message) : error;
  }
}

/** The repository's rules, or those of RULES_DIR, and those of TEAM_RULES_DIR beside them. */
function foldersOf({ RULES_DIR, TEAM_RULES_DIR }: ApiConfig): BookFolder[] {
  const folder = (path: string, variable: string, mayBeEmpty: boolean): BookFolder => ({
    path,
    folder: new RuleFolder(path, { variable, mayBeEmpty }),
  });
  return [
    folder(RULES_DIR === undefined ? join(ROOT, 'alerts') : resolve(RULES_DIR), 'RULES_DIR', false),
    ...(TEAM_RULES_DIR === undefined ? [] : [folder(resolve(TEAM_RULES_DIR), 'TEAM_RULES_DIR', true)]),
  ];
}

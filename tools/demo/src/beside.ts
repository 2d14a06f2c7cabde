import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { freePort, ManagedProcess, ROOT, withoutChannels, type ProcessEvents, type RunState } from '@vigil/launch';
import { REPLAY_SCRIPT, writeDemoRules } from './rules.js';

export interface Beside {
  /** The demo's own API, which evaluates the shortened rules. */
  api: string;
  processes: ManagedProcess[];
}

/**
 * What the demo runs beside the stack, on the same PostgreSQL: a collector that replays a GPU, and an API with the
 * shortened rules whose alerts go to the demo's receiver. The stack's own rules and channels are left alone.
 */
export async function startBeside(
  state: Pick<RunState, 'databaseUrl'>,
  dataDir: string,
  slackUrl: string,
  events: ProcessEvents,
): Promise<Beside> {
  const folder = join(dataDir, 'demo');
  const rules = join(folder, 'rules');
  await mkdir(folder, { recursive: true });
  await writeDemoRules(join(ROOT, 'alerts'), rules);
  const script = join(folder, 'replay.json');
  await writeFile(script, JSON.stringify(REPLAY_SCRIPT));
  const ports = {
    API_PORT: await freePort('127.0.0.1'),
    COLLECTOR_PORT: await freePort('127.0.0.1'),
    OTLP_PORT: await freePort('127.0.0.1'),
  };
  const make = (app: string, port: keyof typeof ports, env: Record<string, string>): ManagedProcess =>
    new ManagedProcess(
      {
        name: `demo ${app}`,
        module: join(ROOT, 'apps', app, 'dist', 'main.js'),
        env: {
          ...withoutChannels(process.env),
          ...Object.fromEntries(Object.entries(ports).map(([name, value]) => [name, String(value)])),
          HOST: '127.0.0.1',
          DATABASE_URL: state.databaseUrl,
          DATA_DIR: folder,
          ...env,
        },
        logFile: join(folder, `${app}.log`),
        healthUrl: `http://127.0.0.1:${ports[port]}/health/ready`,
        stopMs: 2_500,
      },
      events,
    );
  const api = `http://127.0.0.1:${ports.API_PORT}`;
  const processes = [
    make('collector', 'COLLECTOR_PORT', {
      NODE_NAME: 'demo',
      GPU_SOURCE: 'replay',
      GPU_INTERVAL: '1s',
      REPLAY_SCRIPT: script,
    }),
    make('api', 'API_PORT', {
      RULES_DIR: rules,
      ALERT_SCOPE: `demo-${process.pid}`,
      EVALUATION_INTERVAL: '1s',
      SLACK_WEBHOOK_URL: slackUrl,
      NOTIFY_ALLOW_PRIVATE: '',
      PUBLIC_URL: api,
    }),
  ];
  return { api, processes };
}

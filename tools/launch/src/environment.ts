import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { errorMessage, UserError } from '@vigil/service';

/** What makes alerts leave the machine. */
const CHANNELS = [
  'SLACK_WEBHOOK_URL',
  'SLACK_BOT_TOKEN',
  'SLACK_CHANNEL',
  'WEBHOOK_URL',
  'ALERTMANAGER_URL',
  'HEARTBEAT_URL',
  'NOTIFY_FILE',
];

export const tellsPeople = (env: NodeJS.ProcessEnv): boolean => CHANNELS.some((name) => Boolean(env[name]));

/** The same environment for a process that must tell nobody. */
export const withoutChannels = (env: NodeJS.ProcessEnv): NodeJS.ProcessEnv => ({
  ...env,
  ...Object.fromEntries(CHANNELS.map((name) => [name, ''])),
});

/** What ENGINE_METRICS names, and the runtime that is started beside it, unless that name is taken. */
export function withRuntime(engines: string | undefined, runtime: string): string {
  const named = (engines ?? '').trim();
  return /(^|\s)runtime=/.test(named) ? named : `${named} runtime=${runtime}/metrics`.trim();
}

/**
 * Reads the file `.env` of a folder, where there is one; what the environment holds already goes first.
 * @throws UserError when it can't be read
 */
export function loadEnvironment(folder: string): void {
  const file = join(folder, '.env');
  if (!existsSync(file)) return;
  try {
    process.loadEnvFile(file);
  } catch (error) {
    throw new UserError(`The file ${file} can't be read (${errorMessage(error)}). Make it readable, or take it away.`);
  }
}

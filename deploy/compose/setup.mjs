// The first thing that `docker compose up` runs. It makes the secrets of the stack once, says where they lie, gives each service a
// copy of those that it needs, and looks whether the services' volumes can be written. It overwrites no secret and no data. `node setup.mjs show` prints the secrets.
import { randomBytes } from 'node:crypto';
import { existsSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const FOLDER = process.env.SECRETS_DIR ?? '/run/vigil/secrets';
const SHARES_DIR = process.env.SHARES_DIR ?? '/run/vigil/shares';
const VOLUMES = (process.env.VOLUMES ?? '').split(/\s+/).filter((path) => path !== '');
/** File by the variable that may give its content; made by chance where none does. */
const SECRETS = {
  POSTGRES_PASSWORD: 'postgres_password',
  GRAFANA_DATABASE_PASSWORD: 'grafana_database_password',
  GRAFANA_ADMIN_PASSWORD: 'grafana_admin_password',
  ALERTMANAGER_WEBHOOK_KEY: 'alertmanager_webhook_key',
};

/** What each service may read, in a volume of its own. */
const SHARES = {
  postgres: ['postgres_password', 'grafana_database_password'],
  collector: ['database_url'],
  api: ['database_url', 'alertmanager_webhook_key'],
  alertmanager: ['alertmanager_webhook_key'],
  grafana: ['grafana_admin_password', 'grafana_database_password'],
};

/** An end with a sentence and without a stack. */
class Stop extends Error {}

const path = (name) => join(FOLDER, name);
const read = (name) => readFileSync(path(name), 'utf8');

function assertWritable(folder, what) {
  const probe = join(folder, `.vigil-probe-${process.pid}`);
  try {
    writeFileSync(probe, '', { flag: 'wx' });
    rmSync(probe);
  } catch (error) {
    throw new Stop(
      `${what} can not be written by user ${process.getuid()} (${error.code}). Give it to that user, such as by ` +
        `"docker compose run --rm --user 0 --cap-add CHOWN setup chown -R ${process.getuid()}:${process.getgid()} ${folder}", ` +
        `and see that its disk has room and is not mounted read-only. Nothing was changed.`,
    );
  }
}

/** Never written over another. Nobody but setup reads it there. */
function write(name, text) {
  writeFileSync(path(name), text, { flag: 'wx', mode: 0o400 });
}

/** Copies a service's secrets where they differ, each whole or not at all. It runs as a user of its own, and must read them. */
function share(service) {
  const folder = join(SHARES_DIR, service);
  assertWritable(folder, `The volume of the secrets of ${service}`);
  for (const name of SHARES[service]) {
    const copy = join(folder, name);
    if (existsSync(copy) && readFileSync(copy, 'utf8') === read(name)) continue;
    const unfinished = `${copy}.unfinished`;
    rmSync(unfinished, { force: true });
    writeFileSync(unfinished, read(name), { flag: 'wx', mode: 0o444 });
    renameSync(unfinished, copy);
  }
}

function main() {
  assertWritable(FOLDER, 'The volume of the secrets');
  for (const volume of VOLUMES) assertWritable(volume, `The volume at ${volume}`);
  const made = [];
  for (const [variable, name] of Object.entries(SECRETS)) {
    const given = process.env[variable] ?? '';
    if (existsSync(path(name))) {
      if (given !== '' && given !== read(name))
        throw new Stop(
          `${variable} differs from the one that this stack was made with, which lies in ${path(name)} of the volume of the secrets. ` +
            `Unset ${variable}; docs/COMPOSE.md says how to change a password. Nothing was changed.`,
        );
      continue;
    }
    write(name, given === '' ? randomBytes(24).toString('hex') : given);
    made.push(name);
  }
  if (!existsSync(path('database_url')))
    write('database_url', `postgres://vigil:${encodeURIComponent(read('postgres_password'))}@postgres:5432/vigil`);
  for (const service of Object.keys(SHARES)) share(service);
  console.log(
    `${made.length === 0 ? 'The secrets lie' : `Made ${made.join(', ')}: they lie`} in the volume of the secrets. ` +
      'To see them: docker compose run --rm setup node setup.mjs show',
  );
}

try {
  if (process.argv[2] === 'show') for (const name of Object.values(SECRETS)) console.log(`${name}: ${read(name)}`);
  else main();
} catch (error) {
  console.error(error instanceof Stop ? error.message : error);
  process.exitCode = 1;
}

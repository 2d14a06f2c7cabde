import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readdir, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { ROOT } from './root.js';
import { readCompose } from './stack-file.js';

const run = promisify(execFile);
const { services } = readCompose(join(ROOT, 'docker-compose.yml'));
/** The services that have a volume of secrets of their own, as setup mounts them. */
const SHARES = (services.setup!.volumes ?? []).flatMap(
  (entry) => /:\/run\/vigil\/shares\/(.+)$/.exec(entry)?.[1] ?? [],
);
/** Where a service's secrets are named beside its environment. */
const SCRIPTS: Readonly<Record<string, readonly string[]>> = {
  postgres: ['postgres/start.sh', 'postgres/check-password.sh'],
  alertmanager: ['alertmanager/alertmanager.yml'],
};

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'vigil-setup-'));
  await mkdir(join(folder, 'secrets'));
  for (const service of SHARES) await mkdir(join(folder, 'shares', service), { recursive: true });
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const setup = (env: Record<string, string> = {}) =>
  run(process.execPath, [join(ROOT, 'deploy/compose/setup.mjs')], {
    env: { SECRETS_DIR: join(folder, 'secrets'), SHARES_DIR: join(folder, 'shares'), ...env },
  });
const text = (...path: string[]) => readFile(join(folder, ...path), 'utf8');

it('makes every secret once, and gives each service what its settings name and nothing else', async () => {
  const { stdout } = await setup();
  expect(stdout).toMatch(/^Made postgres_password, .*: they lie in the volume of the secrets\./);
  const password = await text('secrets', 'postgres_password');
  expect(password).toMatch(/^[0-9a-f]{48}$/);
  expect(await text('shares', 'collector', 'database_url')).toBe(`postgres://vigil:${password}@postgres:5432/vigil`);
  for (const service of SHARES) {
    const scripts = await Promise.all(
      (SCRIPTS[service] ?? []).map((file) => readFile(join(ROOT, 'deploy/compose', file), 'utf8')),
    );
    const settings = [...Object.values(services[service]!.environment ?? {}), ...scripts].join('\n');
    const named = [...settings.matchAll(/(?:\/run\/vigil\/secrets|\$secrets)\/(\w+)/g)].map((match) => match[1]!);
    expect((await readdir(join(folder, 'shares', service))).toSorted(), service).toEqual(
      [...new Set(named)].toSorted(),
    );
  }
  const before = await stat(join(folder, 'shares/api/database_url'));
  expect((await setup()).stdout).toMatch(/^The secrets lie in the volume/);
  expect(await text('secrets', 'postgres_password')).toBe(password);
  expect((await stat(join(folder, 'shares/api/database_url'))).ino).toBe(before.ino);
});

it('gives the services a secret that was made anew', async () => {
  await setup({ POSTGRES_PASSWORD: 'old' });
  await rm(join(folder, 'secrets'), { recursive: true });
  await mkdir(join(folder, 'secrets'));
  await setup({ POSTGRES_PASSWORD: 'n e w' });
  expect(await text('shares', 'postgres', 'postgres_password')).toBe('n e w');
  expect(await text('shares', 'api', 'database_url')).toBe('postgres://vigil:n%20e%20w@postgres:5432/vigil');
});

it('refuses another password than the one that lies there', async () => {
  await setup({ POSTGRES_PASSWORD: 'old' });
  await expect(setup({ POSTGRES_PASSWORD: 'new' })).rejects.toMatchObject({
    code: 1,
    stderr: expect.stringMatching(/^POSTGRES_PASSWORD differs from the one .*Nothing was changed\.\n$/),
  });
  expect(await text('shares', 'postgres', 'postgres_password')).toBe('old');
});

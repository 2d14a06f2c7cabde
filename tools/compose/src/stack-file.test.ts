import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { ROOT } from './root.js';
import { checkService, preset, readCompose, type ComposeService } from './stack-file.js';

const main = readCompose(join(ROOT, 'docker-compose.yml'));
const vllm = readCompose(join(ROOT, 'deploy/compose/vllm.yml'));
const dockerfile = readFileSync(join(ROOT, 'Dockerfile'), 'utf8');
const volumes = new Set([...Object.keys(main.volumes ?? {}), ...Object.keys(vllm.volumes ?? {})]);

describe('docker-compose.yml', () => {
  it('has the services that the documentation names', () => {
    expect(Object.keys(main.services).toSorted()).toEqual(
      ['alertmanager', 'api', 'collector', 'grafana', 'postgres', 'postgres-password', 'postgres-volume']
        .concat(['prometheus', 'runtime', 'setup'])
        .toSorted(),
    );
  });

  it.each(Object.entries({ ...main.services, vllm: vllm.services.vllm! }))('%s keeps the rules', (name, service) => {
    expect(checkService(name, service, volumes)).toEqual([]);
  });

  it('builds stages that the Dockerfile has, each of which ends as a user without rights', () => {
    const stages = [...dockerfile.matchAll(/^FROM \S+ AS (\S+)/gm)].map((match) => match[1]);
    const built = Object.values(main.services).flatMap(({ build }) => (build ? [build.target] : []));
    expect(built.toSorted()).toEqual(['api', 'collector', 'runtime', 'setup']);
    expect(stages).toEqual(expect.arrayContaining([...built, 'runtime-cuda']));
    const cuda = dockerfile.slice(dockerfile.indexOf('AS runtime-cuda\n'));
    expect(cuda).toMatch(/^USER node$/m);
    expect(cuda).toMatch(/^STOPSIGNAL SIGTERM$/m);
  });

  it('gives all secrets to setup alone, and to each service those of its own volume', () => {
    for (const [name, { volumes = [] }] of Object.entries(main.services)) {
      const found = volumes.filter((entry) => entry.startsWith('secrets'));
      if (name === 'setup') continue;
      const room = name.startsWith('postgres') ? 'postgres' : name;
      expect(found, name).toEqual(found.length === 0 ? [] : [`secrets-${room}:/run/vigil/secrets:ro`]);
    }
  });

  it('starts without the services of a profile', () => {
    const profiled = Object.entries(main.services).filter(([, { profiles }]) => profiles !== undefined);
    expect(profiled.map(([name]) => name)).toEqual(['alertmanager']);
    for (const { depends_on } of Object.values(main.services))
      expect(Object.keys(depends_on ?? {})).not.toContain('alertmanager');
  });
});

describe('the rules', () => {
  const good: ComposeService = {
    image: '${A:-b:1.2.3-slim}',
    restart: 'unless-stopped',
    read_only: true,
    user: 'node',
    cap_drop: ['ALL'],
    mem_limit: '1g',
    tmpfs: ['/tmp'],
    healthcheck: { test: ['CMD', 'true'] },
  };

  it.each<[Partial<ComposeService>, string]>([
    [{ image: 'postgres:latest' }, 'the image has no tag of a version.'],
    [{ image: 'postgres' }, 'the image has no tag of a version.'],
    [{ restart: 'always' }, 'restart is neither unless-stopped nor no.'],
    [{ read_only: false }, 'its root file system can be written.'],
    [{ user: '0:0' }, 'it runs as root.'],
    [{ user: '${U:-0}' }, 'it runs as root.'],
    [{ cap_drop: ['NET_RAW'] }, "it keeps the engine's capabilities."],
    [{ tmpfs: [] }, 'it has no /tmp in memory.'],
    [{ healthcheck: { disable: true } }, 'nothing looks whether it is healthy.'],
    [{ ports: ['8000:8000'] }, 'the port 8000:8000 is open to others unless set.'],
    [{ ports: ['${B:-0.0.0.0}:1:1'] }, 'the port ${B:-0.0.0.0}:1:1 is open to others unless set.'],
    [{ volumes: ['./a:/b'] }, './a of the host can be written.'],
    [{ volumes: ['other:/b'] }, 'the volume other has no name in the file.'],
    [{ environment: { DATABASE_URL: 'postgres://a:b@c/d' } }, 'DATABASE_URL holds a password.'],
    [{ depends_on: { b: { condition: 'service_started' } } }, 'it does not wait until b is well.'],
  ])('%j is found', (change, sentence) => {
    expect(checkService('a', good, new Set())).toEqual([]);
    expect(checkService('a', { ...good, ...change }, new Set())).toEqual([`a: ${sentence}`]);
  });

  it('takes the preset of a variable', () => {
    expect(preset('${A:-127.0.0.1}:${B:-1}:2${C}')).toBe('127.0.0.1:1:2');
  });
});

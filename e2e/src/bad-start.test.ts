import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Launcher, processesNaming } from './launcher.js';

let taken: Server;
let port: string;
let folder: string;
beforeAll(async () => {
  taken = createServer().listen(0, '127.0.0.1');
  await once(taken, 'listening');
  port = String((taken.address() as { port: number }).port);
  folder = await mkdtemp(join(tmpdir(), 'vigil-bad-'));
  await writeFile(join(folder, 'broken.gguf'), 'this is no model');
  await writeFile(
    join(folder, 'rule.yaml'),
    'alert: X\nsignal: gpu.memory.rate\ncondition: { above: 1 }\nseverity: info\nsummary: x\n',
  );
});
afterAll(async () => {
  taken.close();
  await rm(folder, { recursive: true, force: true });
});

describe('a start that can not succeed names the reason, ends with 1 and leaves nothing behind', () => {
  it.each<[string, () => Record<string, string>, RegExp]>([
    [
      'a taken port of the runtime',
      () => ({ RUNTIME_PORT: port }),
      /Port \d+ on 127\.0\.0\.1 is taken\..*RUNTIME_PORT/,
    ],
    ['a taken port of the API', () => ({ API_PORT: port }), /Port \d+ on 127\.0\.0\.1 is taken\..*API_PORT/],
    ['a taken port for OTLP', () => ({ OTLP_PORT: port }), /Port \d+ on 127\.0\.0\.1 is taken\..*OTLP_PORT/],
    [
      'a taken port of PostgreSQL',
      () => ({ POSTGRES_PORT: port }),
      /Port \d+ on 127\.0\.0\.1 is taken\..*POSTGRES_PORT/,
    ],
    ['a model that is not there', () => ({ MODEL: '/nowhere/model.gguf' }), /\/nowhere\/model\.gguf/],
    ['a model that is none', () => ({ MODEL: join(folder, 'broken.gguf') }), /broken\.gguf.*(GGUF|gguf)/],
    [
      'a database that does not answer',
      () => ({ DATABASE_URL: `postgres://u:hidden@127.0.0.1:1/x`, DATABASE_WAIT: '0s' }),
      /No PostgreSQL answers at 127\.0\.0\.1:1\/x\. Start it, or correct DATABASE_URL\./,
    ],
    [
      'a DATABASE_URL that is none',
      () => ({ DATABASE_URL: 'mysql://x' }),
      /DATABASE_URL is wrong: a URL that begins with postgres/,
    ],
    ['a wrong setting', () => ({ EVALUATION_INTERVAL: 'often' }), /EVALUATION_INTERVAL is "often": a duration/],
    ['a rule with an unknown signal', () => ({ RULES_DIR: folder }), /rule\.yaml:2.*gpu\.memory\.rate/],
  ])(
    '%s',
    async (_, env, sentence) => {
      const launcher = await Launcher.run(env());
      expect(await launcher.ended()).toBe(1);
      expect(launcher.output).toMatch(sentence);
      expect(launcher.output).not.toContain('hidden');
      expect(await processesNaming(launcher.dataDir)).toEqual([]);
      await launcher.remove();
    },
    60_000,
  );
});

import { execFile, fork } from 'node:child_process';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { connect, createStore, writeGpuSamples } from '@vigil/store';
import { gpuRow } from '@vigil/store/testing';
import { createTestDatabase, type TestDatabase } from '@vigil/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const MAIN = fileURLToPath(new URL('../../dist/main.js', import.meta.url));
const API = fileURLToPath(new URL('../../../../apps/api/dist/main.js', import.meta.url));

const RULE = `alert: Full
signal: gpu.memory.ratio
condition: { above: 0.9 }
for: 5m
by: [node, gpu]
severity: critical
summary: 'GPU {{ $labels.gpu }} uses {{ $value }}'
action: docs/x.md
`;
const CASES = `alert: Full
cases:
  - name: fires after five minutes
    every: 1m
    series:
      - labels: { node: a, gpu: 0 }
        values: 0.5 0.95x6 0.5
    expect:
      - { at: 6m, state: firing, labels: { node: a, gpu: 0 }, summary: GPU 0 uses 95 % }
      - { at: 7m, state: resolved, labels: { node: a, gpu: 0 } }
  - name: stays silent
    every: 1m
    series: [{ labels: { node: a, gpu: 0 }, values: 0.9x20 }]
    expect: []
`;

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'vigil-cli-rules-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

/** A folder of rules with test cases beside them. */
async function write(name: string, files: Record<string, string>): Promise<void> {
  await mkdir(join(folder, name, 'tests'), { recursive: true });
  for (const [file, text] of Object.entries(files)) await writeFile(join(folder, name, file), text);
}

interface Run {
  code: number;
  out: string;
  err: string;
}

/** The real program, given in the folder of the tests. */
const vigil = (args: string[], env: NodeJS.ProcessEnv = {}): Promise<Run> =>
  new Promise((resolve) => {
    const options = { env: { PATH: process.env['PATH'], INIT_CWD: folder, ...env } };
    execFile(process.execPath, [MAIN, 'rules', ...args], options, (error, out, err) =>
      resolve({ code: error === null ? 0 : Number(error.code), out, err }),
    );
  });

describe('vigil rules check', () => {
  it('names every mistake of rules and cases with file and line, and ends with 1', async () => {
    await write('bad', {
      'a.yaml': RULE.replace('memory.ratio', 'memry.ratio').replace('for:', 'foor:'),
      'b.yaml': `${RULE}`,
      'c.yaml': `# again\n${RULE}`,
      'tests/b.yaml': CASES.replace('firing', 'burning').replace('every: 1m', 'evry: 1m'),
      'tests/x.yaml': CASES.replace('Full', 'Fulll'),
      'tests/y.yaml': CASES.replace('{ node: a, gpu: 0 }', '{ node: a }').replace('0.9x20', '0.9y20'),
    });
    const { code, out } = await vigil(['check', 'bad']);
    expect(code).toBe(1);
    expect(out.trim().split('\n')).toEqual([
      'bad/a.yaml:2: There is no signal "gpu.memry.ratio"; did you mean gpu.memory.ratio?',
      'bad/a.yaml:4: There is no field "foor"; did you mean for?',
      'bad/c.yaml:2: The alert Full is already defined in bad/b.yaml:1: rename one.',
      'bad/tests/b.yaml:3: "cases.0.every" must be a duration such as 15s.',
      'bad/tests/b.yaml:4: There is no field "evry"; did you mean every?',
      'bad/tests/b.yaml:9: "cases.0.expect.0.state" must be one of inactive, pending, firing, resolved, no_data.',
      'bad/tests/x.yaml:1: There is no rule "Fulll" beside these cases; did you mean Full?',
      'bad/tests/y.yaml:13: "cases.1.series.0.values" is not a list of values: "0.9y20" is none of 0.5, 0.5x10 and _x3.',
      '8 mistakes.',
    ]);
  });

  it('says what is good, for programs too', async () => {
    await write('good', { 'full.yaml': RULE, 'tests/full.yaml': CASES });
    expect(await vigil(['check', 'good'])).toMatchObject({ code: 0, out: '1 rule and 2 test cases: all good.\n' });
    const { out } = await vigil(['check', '--json', 'good/full.yaml']);
    expect(JSON.parse(out)).toEqual({
      ok: true,
      rules: [{ rule: 'Full', file: 'good/full.yaml' }],
      cases: 2,
      mistakes: [],
    });
  });

  it.each([
    [['check', 'nowhere'], 'There is no file or folder "nowhere".'],
    [['chek'], 'There is no "rules chek".'],
    [[], 'vigil rules: checks, tests and previews'],
    [['check', '--jsn'], "Unknown option '--jsn'."],
    [['preview'], 'Name one file with a rule.'],
  ])('%j is wrong usage: 2', async (args, sentence) => {
    const { code, err } = await vigil(args);
    expect([code, err]).toEqual([2, expect.stringContaining(sentence)]);
  });
});

describe('vigil rules test', () => {
  it('plays the cases', async () => {
    await write('played', { 'full.yaml': RULE, 'tests/full.yaml': CASES });
    const { code, out } = await vigil(['test', 'played']);
    expect([code, out]).toEqual([0, '✓ Full: fires after five minutes\n✓ Full: stays silent\n\n2 passed, 0 failed\n']);
  });

  it('says where and how a case differs, and ends with 1', async () => {
    await write('differs', {
      'full.yaml': RULE.replace('5m', '6m'),
      'more.yaml': RULE.replace('Full', 'More'),
      'tests/full.yaml': CASES,
    });
    const { code, out } = await vigil(['test', 'differs']);
    expect(code).toBe(1);
    expect(out).toBe(`✗ Full: fires after five minutes
  differs/tests/full.yaml:3
  firing { gpu: 0, node: a } at 6m (beat 7) was expected, and nothing like it came.
  resolved { gpu: 0, node: a } at 7m (beat 8) was expected, and nothing like it came.
✓ Full: stays silent
– without a test case: More

1 passed, 1 failed
`);
    expect((await vigil(['test', 'differs', '--rule', 'More'])).code).toBe(0);
    expect((await vigil(['test', 'differs', '--rule', 'Mor'])).out).toContain('There is no rule "Mor".');
  });
});

describe('vigil rules preview', () => {
  let database: TestDatabase;
  const begin = Math.floor(Date.now() / 60_000) * 60_000 - 2 * 3_600_000;
  beforeAll(async () => {
    database = await createTestDatabase();
    const store = createStore({ url: database.url, applicationName: 'test' });
    await connect(store, database.url);
    await writeGpuSamples(
      store,
      Array.from({ length: 120 }, (_, minute) =>
        gpuRow(minute >= 30 && minute < 45 ? 0.95 : 0.5, { time: new Date(begin + minute * 60_000), node: 'a' }),
      ),
    );
    await store.destroy();
    await write('preview', { 'full.yaml': RULE, 'bad.yaml': RULE.replace('above', 'abov') });
  });
  afterAll(() => database.drop());
  const iso = (minute: number) => new Date(begin + minute * 60_000).toISOString();
  const shown = (minute: number) => iso(minute).slice(0, 19).replace('T', ' ');

  it('over a database and over an API says the same', async () => {
    const range = ['--from', iso(0), '--to', iso(119)];
    const api = fork(API, {
      silent: true,
      env: { PATH: process.env['PATH'], API_PORT: '0', DATABASE_URL: database.url, LOG_LEVEL: 'error' },
    });
    try {
      const url = await new Promise<string>((resolve, reject) => {
        api.on('message', (message: { type: string; addresses?: { api: string } }) => {
          if (message.type === 'ready') resolve(message.addresses!.api);
          if (message.type === 'failed') reject(new Error(JSON.stringify(message)));
        });
      });
      const over = (...where: string[]) => vigil(['preview', 'preview/full.yaml', ...range, ...where]);
      const { code, out } = await over('--database', database.url);
      expect(code).toBe(0);
      expect(out).toBe(`Full, from ${shown(0)} to ${shown(119)} UTC, looked at every 60 s

It would have fired once.

{ node: a, gpu: 0 }: once, 10 min all in all; from 50 % to 95 %
  ${shown(36)}  firing    95 %  GPU 0 uses 95 %
  ${shown(46)}  resolved  50 %  GPU 0 uses 50 %
`);
      expect(await over('--api', url)).toEqual({ code: 0, out, err: '' });
      const json = await Promise.all([over('--api', url, '--json'), over('--database', database.url, '--json')]);
      expect(JSON.parse(json[0].out)).toEqual(JSON.parse(json[1].out));
      const refused = await vigil(['preview', 'preview/full.yaml', '--from', 'now-90d', '--api', url]);
      expect([refused.code, refused.out]).toEqual([1, expect.stringContaining('32 days at the most')]);
    } finally {
      api.kill();
    }
  });

  it.each<[string, string[], number, string]>([
    [
      'a rule that is wrong',
      ['preview/bad.yaml'],
      1,
      'preview/bad.yaml:3: There is no field "abov"; did you mean above?',
    ],
    ['a file that is not there', ['preview/none.yaml'], 2, "can't be read (ENOENT)."],
    [
      'an API that is not there',
      ['preview/full.yaml', '--api', 'http://127.0.0.1:1'],
      1,
      'No API of Vigil answers at http://127.0.0.1:1',
    ],
    [
      'a database that is not there',
      ['preview/full.yaml', '--database', 'postgres://u:hidden@127.0.0.1:1/x'],
      1,
      'No PostgreSQL answers at 127.0.0.1:1/x.',
    ],
    [
      'a time that is none',
      ['preview/full.yaml', '--from', 'soon', '--database', 'postgres://x'],
      2,
      '--from is "soon"',
    ],
  ])('%s is said in a sentence', async (_, args, code, sentence) => {
    const run = await vigil(['preview', ...args]);
    expect(`${run.out}${run.err}`).toContain(sentence);
    expect(`${run.out}${run.err}`).not.toMatch(/hidden|\n\s+at /);
    expect(run.code).toBe(code);
  });
});

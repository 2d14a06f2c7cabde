import { spawn } from 'node:child_process';
import { mkdir, readFile, symlink } from 'node:fs/promises';
import { extname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { NvidiaSmiSource } from './nvidia-smi.js';
import { FakeNvidiaSmi, runs } from './testing.js';
import type { GpuReading } from './types.js';

const PATIENCE = { timeout: 20_000, interval: 20 };

describe('NvidiaSmiSource', () => {
  let fake: FakeNvidiaSmi;
  let source: NvidiaSmiSource;

  const make = (timeoutSeconds = 20, env = fake.env()): NvidiaSmiSource =>
    new NvidiaSmiSource({ timeoutSeconds, env, now: () => new Date(1000) });

  beforeEach(async () => {
    fake = await FakeNvidiaSmi.make();
    source = make();
  });

  afterEach(async () => {
    await source.close();
    await fake.remove();
  });

  const started = async (): Promise<number[]> =>
    vi.waitFor(async () => {
      const pids = await fake.pids();
      if (pids === undefined) throw new Error('the fake nvidia-smi did not start');
      return pids;
    }, PATIENCE);

  const gone = async (pids: readonly number[]): Promise<void> => {
    for (const pid of pids) await vi.waitFor(async () => expect(await runs(pid)).toBe(false), PATIENCE);
  };

  /** The reader's process: the leader of the group in which the hanging tool is. */
  const leader = async (pid: number): Promise<number> => {
    const stat = await readFile(`/proc/${pid}/stat`, 'utf8');
    return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[2]);
  };

  const good = (reading: GpuReading): void =>
    expect(reading).toMatchObject({
      state: 'up',
      source: 'nvidia-smi',
      samples: [{ name: 'NVIDIA H200', power: 690.81, replay: false, time: new Date(1000) }],
    });

  it('reads, again and again, with `nvidia-smi -q -x`', async () => {
    for (let i = 0; i < 3; i++) good(await source.read());
    expect(await fake.calls()).toEqual(['-q -x', '-q -x', '-q -x']);
  });

  it('has one reading in flight: who asks meanwhile gets the same', async () => {
    const [first, second] = await Promise.all([source.read(), source.read()]);
    expect(first).toBe(second);
    expect(await fake.calls()).toHaveLength(1);
  });

  it('takes a missing nvidia-smi for a state, not an error, and finds it once it is there', async () => {
    await source.close();
    const folder = fake.path('nothing-here');
    source = make(20, { ...process.env, PATH: folder });
    const reading = await source.read();
    expect(reading).toMatchObject({ state: 'none', reason: expect.stringMatching(/not on the PATH/) });
    // Nothing else is on that PATH, so the fake names its tools in full.
    await fake.does('/bin/cat load.xml');
    await mkdir(folder);
    await symlink(fake.path('nvidia-smi'), join(folder, 'nvidia-smi'));
    good(await source.read());
  });

  it('says why on exit 9, with what nvidia-smi wrote', async () => {
    await fake.does("echo 'NVIDIA-SMI has failed because it could not communicate.'; exit 9");
    expect(await source.read()).toMatchObject({
      state: 'failed',
      kind: 'driver',
      reason: expect.stringMatching(/code 9 .*driver.*NVIDIA-SMI has failed because it could not communicate/),
    });
    await fake.does('cat load.xml');
    good(await source.read());
  });

  it.each([
    ['an unknown code', 'echo odd >&2; exit 77', 'exit', /code 77; it said: odd/],
    ['no device', "echo 'No devices were found'; exit 6", 'no-devices', /No devices were found/],
    ['a lost GPU', "echo 'GPU is lost'; exit 15", 'gpu-lost', /fell off the bus/],
    ['a missing library', 'echo "error while loading shared libraries: libc" >&2; exit 127', 'exit', /code 127/],
    ['a signal', 'kill -SEGV $$', 'exit', /SIGSEGV|code 139/],
    ['half a document', 'head -c 9000 load.xml', 'malformed', /not whole XML/],
    ['no output', 'exit 0', 'empty', /printed nothing/],
    ['no XML', 'echo "Failed to initialize NVML"', 'malformed', /Failed to initialize NVML/],
    ['another XML', 'echo "<html/>"', 'unexpected', /nvidia_smi_log/],
    ['2 MiB', 'head -c 2097152 /dev/zero | tr "\\0" x', 'too-large', /more than 1 MiB/],
  ])('gives a reason for %s, and reads well afterwards', async (_, shell, kind, reason) => {
    await fake.does(shell);
    expect(await source.read()).toMatchObject({ state: 'failed', kind, reason: expect.stringMatching(reason) });
    await fake.does('cat load.xml');
    good(await source.read());
  });

  it('keeps good output beside noise on standard error, and says what the noise was', async () => {
    await fake.does("echo 'libEGL warning: no driver' >&2; cat load.xml");
    const reading = await source.read();
    good(reading);
    expect(reading).toMatchObject({ notes: [expect.stringMatching(/libEGL warning/)] });
  });

  it('keeps whole output beside a code that warns', async () => {
    await fake.does("echo 'WARNING: infoROM is corrupted' >&2; cat load.xml; exit 14");
    const reading = await source.read();
    good(reading);
    expect(reading).toMatchObject({ notes: [expect.stringMatching(/code 14/), expect.stringMatching(/infoROM/)] });
  });

  it('kills a hanging nvidia-smi with all its processes at the deadline, and reads well afterwards', async () => {
    await source.close();
    source = make(4);
    good(await source.read());
    await fake.hangs();
    expect(await source.read()).toMatchObject({
      state: 'failed',
      kind: 'timeout',
      reason: expect.stringMatching(/within 4 s/),
    });
    const pids = await fake.pids();
    expect(pids).toHaveLength(2);
    await gone(pids!);
    await fake.does('cat load.xml');
    good(await source.read());
  });

  it('kills one that goes on printing', async () => {
    await fake.does("trap '' PIPE TERM; echo $$ > pids; while :; do head -c 65536 /dev/zero; done");
    expect(await source.read()).toMatchObject({ state: 'failed', kind: 'too-large' });
    await gone((await fake.pids())!);
  });

  it('says when its reader dies, leaves nothing behind, and starts another', async () => {
    await fake.hangs();
    const reading = source.read();
    const pids = await started();
    process.kill(await leader(pids[0]!), 'SIGKILL');
    expect(await reading).toMatchObject({ state: 'failed', kind: 'child', reason: expect.stringMatching(/SIGKILL/) });
    await gone(pids);
    await fake.does('cat load.xml');
    good(await source.read());
  });

  it('starts another reader when one died between two readings', async () => {
    await fake.does('cat /proc/$$/stat > stat; cat load.xml');
    good(await source.read());
    const stat = await readFile(fake.path('stat'), 'utf8');
    const reader = Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[2]);
    process.kill(reader, 'SIGKILL');
    await vi.waitFor(async () => good(await source.read()), PATIENCE);
    await gone([reader]);
  });

  it.each(['abort', 'close'] as const)('ends a reading in flight on %s', async (how) => {
    await fake.hangs();
    const abort = new AbortController();
    const reading = source.read(abort.signal);
    const pids = await started();
    const all = [...pids, await leader(pids[0]!)];
    if (how === 'abort') abort.abort();
    else await source.close();
    expect(await reading).toMatchObject({ state: 'failed', kind: 'aborted' });
    await gone(all);
  });

  it('reads nothing after it was closed', async () => {
    await source.close();
    expect(await source.read()).toMatchObject({ state: 'failed', kind: 'aborted' });
    expect(await fake.calls()).toEqual([]);
  });

  it('hands no secret on', async () => {
    await source.close();
    source = make(20, fake.env({ DATABASE_URL: 'postgres://secret', SLACK_TOKEN: 'secret', CUDA_HOME: '/cuda' }));
    await fake.does('env > environment; cat load.xml');
    good(await source.read());
    const environment = await readFile(fake.path('environment'), 'utf8');
    expect(environment).toContain('CUDA_HOME=/cuda');
    expect(environment).not.toContain('secret');
  });
});

describe('the reader', () => {
  it('dies with a parent that was killed, and nvidia-smi with it', async () => {
    const fake = await FakeNvidiaSmi.make();
    await fake.hangs();
    const child = fileURLToPath(new URL(`./nvidia-smi-child${extname(import.meta.url)}`, import.meta.url));
    const script = `require('node:child_process').fork(${JSON.stringify(child)}, { detached: true }).send({ id: 1 }); setInterval(() => {}, 1000)`;
    const parent = spawn(process.execPath, ['-e', script], { env: fake.env(), stdio: 'ignore' });
    try {
      const pids = await vi.waitFor(async () => {
        const found = await fake.pids();
        if (found === undefined) throw new Error('the fake nvidia-smi did not start');
        return found;
      }, PATIENCE);
      parent.kill('SIGKILL');
      for (const pid of pids) await vi.waitFor(async () => expect(await runs(pid)).toBe(false), PATIENCE);
    } finally {
      parent.kill('SIGKILL');
      await fake.remove();
    }
  });
});

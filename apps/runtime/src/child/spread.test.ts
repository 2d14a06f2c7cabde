import { readdirSync, readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import koffi from 'koffi';
import { afterAll, describe, expect, it } from 'vitest';
import { moves, ThreadSpreader } from './spread.js';
import { chooseThreads } from './threads.js';

describe('threads', () => {
  it.each([
    [0, 1e6, 16, true, 1, 1, 0],
    [8, 1e6, 2, true, 8, 1, 0],
    [0, 9e6, 2, true, 2, 2, 0],
    [0, 9e6, 16, true, 4, 4, 0],
    [0, 2e8, 2, true, 2, 2, 16],
    [0, 2e8, 2, false, 2, 2, 0],
    [0, 2e8, 3, true, 3, 1, 0],
    [0, 2e8, 1, true, 1, 1, 0],
    [0, 2e8, 4, false, 3, 1, 0],
    [0, 2e8, 16, true, 15, 1, 0],
    [1, 2e8, 2, true, 1, 1, 0],
    [2, 2e8, 3, true, 2, 2, 16],
    [2, 2e8, 16, true, 2, 1, 0],
    [1, 2e8, 16, true, 1, 1, 0],
    [8, 2e8, 16, true, 8, 1, 0],
    [8, 2e8, 2, false, 8, 4, 0],
    [0, 5e9, 2, true, 2, 1, 0],
    [0, 5e9, 2, false, 1, 1, 0],
    [0, 5e9, 3, true, 3, 1, 0],
    [0, 5e9, 16, true, 15, 1, 0],
    [0, 5e9, 1, true, 1, 1, 0],
    [8, 5e9, 16, false, 8, 1, 0],
  ])(
    '%d asked for, %d bytes, %d cores, kept apart %s: %d in %d lanes, of which one gathers %d',
    (wanted, size, cores, apart, threads, lanes, gathered) => {
      expect(chooseThreads(wanted, size, cores, apart)).toEqual({ threads, lanes, gathered });
    },
  );
});

describe('a batch of threads', () => {
  const at = (...cores: number[]) => cores.map((core, i) => ({ thread: 100 + i, core }));
  it.each([
    ['each on its own core', at(1, 2), [0], [0, 1, 2, 3], []],
    ["one on its maker's core", at(0), [0], [0, 1], [{ thread: 100, core: 1 }]],
    ['two on one core', at(1, 1), [0], [0, 1, 2], [{ thread: 101, core: 2 }]],
    [
      'all on one',
      at(0, 0, 0),
      [0],
      [0, 3, 5, 7],
      [
        { thread: 100, core: 3 },
        { thread: 101, core: 5 },
        { thread: 102, core: 7 },
      ],
    ],
    ['more than there are cores', at(0, 0), [0], [0, 1], [{ thread: 100, core: 1 }]],
    ['no core left', at(0), [0, 1], [0, 1], []],
    ['a core that is not ours', at(4), [4], [4, 6], [{ thread: 100, core: 6 }]],
    ['nobody', [], [0], [0, 1], []],
  ])('%s', (_, fresh, taken, allowed, expected) => {
    expect(moves(fresh, new Set(taken), allowed)).toEqual(expected);
  });
});

describe.runIf(process.platform === 'linux' && availableParallelism() > 1)('on this machine', () => {
  const started: Worker[] = [];
  afterAll(() => Promise.all(started.map((worker) => worker.terminate())));
  const tasks = (): string[] => readdirSync('/proc/self/task');
  const spinning = async (): Promise<string> => {
    const before = new Set(tasks());
    const worker = new Worker('require("node:worker_threads").parentPort.postMessage(0); for (;;);', { eval: true });
    started.push(worker);
    await new Promise((ready) => worker.once('message', ready));
    for (let i = 0; i < 200; i++) {
      const busy = tasks().filter((name) => !before.has(name) && stat(name)[0] === 'R');
      if (busy.length === 1) return busy[0]!;
      await sleep(10);
    }
    throw new Error('The thread was not found.');
  };
  const stat = (name: string): string[] =>
    readFileSync(`/proc/self/task/${name}/stat`, 'latin1')
      .replace(/^.*\) /s, '')
      .split(' ');
  const allowed = (name: string): string =>
    /^Cpus_allowed_list:\t(.*)$/m.exec(readFileSync(`/proc/self/task/${name}/status`, 'latin1'))![1]!;
  const set = koffi.load(null).func('sched_setaffinity', 'int', ['int', 'size_t', 'void *']);

  it('whoever came to a core where another computes goes to a free one', async () => {
    const maker = await spinning();
    const spreader = (await ThreadSpreader.open())!;
    spreader.learn();
    const made = await spinning();
    const mask = Buffer.alloc(128);
    const core = Number(stat(maker)[36]);
    mask[core >> 3] = 1 << (core & 7);
    for (const name of [maker, made]) expect(set(Number(name), 128, mask)).toBe(0);
    const shared = String(core);
    // The other core may be taken for a moment by a thread of the tests' own.
    for (let i = 0; i < 200 && allowed(made) === shared; i++) {
      spreader.begin();
      await sleep(20);
      spreader.end();
    }
    expect(allowed(made)).toMatch(/^\d+$/);
    expect(allowed(made)).not.toBe(shared);
    expect(allowed(maker)).toBe(shared);
  });
});

import { execFile } from 'node:child_process';
import { createServer } from 'node:net';
import { readdir } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { FakeNvidiaSmi, recording, withGpus } from '@vigil/gpu/testing';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { CHECKS } from './doctor/checks/index.js';
import { netInterface, Tree } from './doctor/testing.js';
import type { Row } from './doctor/types.js';

const MAIN = fileURLToPath(new URL('../dist/main.js', import.meta.url));
const BUNDLED = fileURLToPath(new URL('../../../models/vigil-scripted-r1.gguf', import.meta.url));

let tree: Tree;
let smi: FakeNvidiaSmi;
beforeAll(async () => {
  smi = await FakeNvidiaSmi.make();
  tree = await Tree.make({
    'proc/meminfo': 'MemTotal: 4194304 kB\nMemAvailable: 2097152 kB\n',
    'proc/net/route': 'Iface\tDestination\neth0\t00000000\t0100000A\t0003\t0\t0\t100\t00000000\t0\t0\t0\n',
    'proc/sys/net/ipv4/tcp_congestion_control': 'bbr\n',
    'proc/sys/net/ipv4/tcp_available_congestion_control': 'cubic bbr\n',
    'proc/self/limits': 'Max open files            1024                 1048576              files     \n',
    ...netInterface('eth0', 9000),
    'models/.keep': '',
  });
});
afterAll(async () => {
  await smi.remove();
  await tree.remove();
});
beforeEach(() => smi.does('cat load.xml'));

interface Run {
  code: number;
  out: string;
  err: string;
}

/** The real program on the captured machine, which has no GPU unless `env` brings one. */
function vigil(args: string[], env: NodeJS.ProcessEnv = { GPU_SOURCE: 'none', PATH: '/usr/bin:/bin' }): Promise<Run> {
  const own = {
    HOME: tree.folder,
    HOST_PROC: tree.path('proc'),
    HOST_SYS: tree.path('sys'),
    DATA_DIR: tree.path('models'),
  };
  return new Promise((resolve) => {
    execFile(process.execPath, [MAIN, ...args], { env: { ...env, ...own } }, (error, out, err) =>
      resolve({ code: error === null ? 0 : Number(error.code), out, err }),
    );
  });
}

async function doctor(args: string[], env?: NodeJS.ProcessEnv) {
  const { code, out, err } = await vigil(['doctor', '--json', ...args], env);
  const answer = JSON.parse(out) as { ok: boolean; summary: Record<string, number>; checks: Row[] };
  return { code, err, ...answer, row: (id: string) => answer.checks.find((row) => row.id === id)! };
}

const withSmi = (): NodeJS.ProcessEnv => smi.env({ GPU_SOURCE: 'nvidia-smi' });

describe('vigil doctor', () => {
  it('works, and says so, without a GPU', async () => {
    const { code, ok, checks, row } = await doctor([]);
    expect([code, ok]).toEqual([0, true]);
    expect(checks.map((c) => c.id)).toEqual(CHECKS.map((c) => c.id));
    expect(row('gpu.present')).toMatchObject({ status: 'warn', measured: 'none' });
    expect(row('gpu.driver')).toMatchObject({ status: 'skip', reason: 'There is no GPU.' });
    expect(row('network.mtu')).toMatchObject({ status: 'pass', measured: '9000 on eth0' });
    expect(row('network.congestion')).toMatchObject({ status: 'pass', measured: 'bbr' });
    expect(row('limits.open-files')).toMatchObject({ status: 'pass', values: { soft: 1024, hard: 1_048_576 } });
    expect(row('host.memory-bandwidth').values!['bytesPerSecond']).toBeGreaterThan(0);
    for (const { id, reason } of checks) expect(reason, id).toMatch(/[.)]$/);
    expect(await readdir(tree.path('models'))).toEqual(['.keep']);
  });

  it('prints a table with reasons, remedies and the counts', async () => {
    const { code, out } = await vigil(['doctor', '--quick']);
    expect(code).toBe(0);
    expect(out).toMatch(/^! {2}GPUs +none\n/m);
    expect(out).toMatch(/^✓ {2}Jumbo frames +9000 on eth0\n/m);
    expect(out).toMatch(/^– {2}Driver and CUDA\n {5}There is no GPU\.\n/m);
    expect(out).toMatch(/^ {5}→ Go on without one/m);
    expect(out).toMatch(/✓ \d+ passed {3}! \d+ to look at {3}✗ 0 failed {3}– \d+ skipped\n$/);
    expect(out).not.toContain('\u001b');
  });

  it('fails where the model fits nowhere', async () => {
    const { code, ok, summary, row } = await doctor(['--quick', '--model', '70b']);
    expect([code, ok, summary['fail']]).toEqual([1, false, 1]);
    expect(row('gpu.memory')).toMatchObject({ status: 'fail' });
    expect(row('disk.read')).toMatchObject({ status: 'skip', reason: 'Left out, as --quick asks.' });
  });

  it('reads GPUs, and how they are set up', async () => {
    const { code, row } = await doctor(['--model', '70b', '--quantization', 'bf16'], withSmi());
    expect(code).toBe(1);
    expect(row('gpu.present')).toMatchObject({ status: 'pass', measured: 'NVIDIA H200, 140 GiB' });
    // 131 + 20 of 140 GiB: no
    expect(row('gpu.memory')).toMatchObject({ status: 'fail', remedy: expect.stringContaining('--quantization fp8') });
    expect(row('gpu.driver')).toMatchObject({ status: 'pass', measured: 'driver 580.159.04, CUDA 13.0' });
    expect(row('gpu.persistence')).toMatchObject({ status: 'pass' });
    expect(row('gpu.ecc')).toMatchObject({ status: 'pass' });
    expect(row('host.memory-bandwidth')).toMatchObject({ status: 'warn', values: { gpuBytesPerSecond: 4.8e12 } });
  });

  it('reads several GPUs, badly set up', async () => {
    const xml = withGpus(await recording('h200-idle'), 4)
      .replaceAll('<persistence_mode>Enabled', '<persistence_mode>Disabled')
      .replaceAll('<current_ecc>Enabled', '<current_ecc>Disabled')
      .replaceAll('<pending_ecc>Enabled', '<pending_ecc>Disabled')
      .replace('<driver_version>580.159.04', '<driver_version>470.82.01')
      .replace('<cuda_version>13.0', '<cuda_version>11.4');
    await tree.write({ 'four.xml': xml });
    await smi.does(`cat '${tree.path('four.xml')}'`);
    const { code, row } = await doctor(['--quick', '--model', 'deepseek-r1'], withSmi());
    expect(code).toBe(1);
    expect(row('gpu.present')).toMatchObject({ measured: '4 × NVIDIA H200, 140 GiB each' });
    expect(row('gpu.memory')).toMatchObject({ status: 'pass', values: { gpus: 4 } });
    expect(row('gpu.driver')).toMatchObject({ status: 'fail', measured: 'driver 470.82.01, CUDA 11.4' });
    expect(row('gpu.persistence')).toMatchObject({ status: 'warn', measured: 'off (GPU 0, 1, 2, 3)' });
    expect(row('gpu.ecc')).toMatchObject({ status: 'warn', measured: 'off (GPU 0, 1, 2, 3)' });
  });

  it('answers although nvidia-smi hangs', async () => {
    await smi.hangs();
    const { code, checks, row } = await doctor(['--quick'], withSmi());
    expect(code).toBe(1);
    expect(checks).toHaveLength(CHECKS.length);
    expect(row('gpu.present')).toMatchObject({ status: 'fail', measured: 'not readable' });
  });

  it('sizes the file that is named, or that MODEL names', async () => {
    const named = await doctor(['--quick', '--gguf', BUNDLED, '--context', '4k']);
    expect(named.row('gpu.memory')).toMatchObject({
      status: 'warn',
      reason: expect.stringContaining('vigil-scripted-r1'),
    });
    const environment = await doctor(['--quick'], { GPU_SOURCE: 'none', MODEL: BUNDLED });
    expect(environment.row('gpu.memory').reason).toContain('vigil-scripted-r1');
  });

  it('measures the way to a peer', async () => {
    const server = createServer((socket) => socket.on('error', () => undefined));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as { port: number };
    const { row } = await doctor(['--quick', '--peer', `127.0.0.1:${port}`]);
    expect(row('network.peer')).toMatchObject({ measured: expect.stringMatching(/µs to 127\.0\.0\.1:\d+$/) });
    await new Promise((resolve) => server.close(resolve));
  });
});

describe('vigil size', () => {
  it('answers the question of the documentation', async () => {
    const args = ['size', '--model', 'deepseek-r1-distill-qwen-7b', '--context', '8192', '--concurrency', '32'];
    const { code, out } = await vigil(args);
    expect(code).toBe(0);
    expect(out).toMatch(/KV cache +14\.0 GiB/);
    expect(out).toMatch(/one RTX 3060 12 GB {2}no +19\.3 GiB of 12\.0 GiB \(161 %\)/);
    expect(out).toMatch(/would fit: 12 at once +--concurrency 12/);
    expect(out).toMatch(/four A100 80 GB +fits +5\.5\d GiB of 80\.0 GiB on each \(7 %\)/);
    expect(out).toMatch(/RTX 4090 24 GB +1 ×/);
  });

  it('answers in JSON, for a file', async () => {
    const { code, out } = await vigil(['size', '--gguf', BUNDLED, '--json', '--kv-cache', 'q8_0']);
    expect(code).toBe(0);
    expect(JSON.parse(out)).toMatchObject({
      model: 'vigil-scripted-r1',
      quantization: 'Q8_0',
      cacheType: 'Q8_0',
      builds: [{ name: 'one RTX 3060 12 GB', verdict: 'fits', instead: [] }, { verdict: 'fits' }],
      notes: [expect.stringContaining('trained on 4,096 tokens'), expect.anything(), expect.anything()],
    });
  });
});

describe('wrong usage', () => {
  it.each([
    [[], /vigil: tools for whoever runs R1/],
    [['heal'], /There is no command "heal"/],
    [['doctor', '--fix'], /Unknown option '--fix'/],
    [['doctor', 'now'], /Unexpected argument 'now'/],
    [['doctor', '--peer', 'a:b'], /--peer is "a:b": host or host:port is expected/],
    [['doctor', '--volume', '/nowhere/at/all'], /there is no such file or folder/],
    [['doctor', '--model', 'gpt-2'], /no model "gpt-2"/],
    [['size'], /Name a model/],
    [['size', '--model', '7b', '--gguf', BUNDLED], /Give --model or --gguf, not both/],
    [['size', '--gguf', BUNDLED, '--quantization', 'q8_0'], /--quantization goes with --model/],
    [['size', '--gguf', '/nowhere.gguf'], /can not be read/],
    [['size', '--model', '7b', '--context', '0'], /--context is "0": a whole number from 1/],
    [['size', '--model', '7b', '--concurrency', '2.5'], /--concurrency is "2\.5"/],
    [['size', '--model', ''], /--model is empty/],
    [['size', '--model'], /argument missing/],
  ])('%j ends with code 2 and a sentence', async (args, sentence) => {
    const { code, out, err } = await vigil(args);
    expect([code, out]).toEqual([2, '']);
    expect(err).toMatch(sentence);
    expect(err).not.toMatch(/^ +at /m);
  });

  it.each([['--help'], ['doctor', '--help'], ['size', '-h']])('%s %s is answered', async (...args) => {
    const { code, out } = await vigil(args);
    expect(code).toBe(0);
    expect(out).toContain('npx vigil');
  });
});

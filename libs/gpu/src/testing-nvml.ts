/* A libnvidia-ml without a GPU, for the tests of this folder; nothing of it runs in the collector. */
import { execFile, execFileSync } from 'node:child_process';
import { mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { NvmlSource } from './nvml.js';
import type { GpuSample } from './types.js';

const SOURCE = fileURLToPath(new URL('../fixtures/nvml/fake-nvml.c', import.meta.url));
const run = promisify(execFile);

/** Whether a C compiler is here; says so where none is. */
export function hasCompiler(): boolean {
  try {
    execFileSync('cc', ['--version'], { stdio: 'ignore' });
    return process.platform === 'linux';
  } catch {
    console.warn('No C compiler (cc) is here: the tests that need a libnvidia-ml are left out.');
    return false;
  }
}

/** A folder with libraries made of `fixtures/nvml/fake-nvml.c`, and with the file that says what they do. */
export class FakeNvml {
  private constructor(readonly folder: string) {}

  static async make(): Promise<FakeNvml> {
    const fake = new FakeNvml(await mkdtemp(join(tmpdir(), 'vigil-nvml-')));
    await fake.does('');
    return fake;
  }

  /** Compiles a library. @param absent functions that it lacks */
  async library(name = 'whole', absent: readonly string[] = [], more: readonly string[] = []): Promise<string> {
    const path = join(this.folder, `lib${name}.so`);
    const without = absent.map((symbol) => `-D${symbol}=absent_${symbol}`);
    await run('cc', ['-shared', '-fPIC', '-O1', ...without, ...more, '-o', path, SOURCE]);
    return path;
  }

  /** From the next call on. Put in place whole, since a call may come at any moment. */
  async does(...lines: string[]): Promise<void> {
    await writeFile(`${this.behaviour}.new`, lines.map((line) => `${line}\n`).join(''));
    await rename(`${this.behaviour}.new`, this.behaviour);
  }

  /** XIDs, each with its GPU and, in MIG mode, its GPU instance. NVML tells each of them once. */
  async happens(...events: (readonly [gpu: number, code: number | string, instance?: number])[]): Promise<void> {
    const lines = events.map(([gpu, code, instance = -1]) => `${gpu} ${code} ${instance}\n`);
    await writeFile(`${this.behaviour}.events`, lines.join(''));
  }

  get behaviour(): string {
    return join(this.folder, 'behaviour');
  }

  /** Calls since the last time, each with its GPU where it has one. */
  async calls(): Promise<string[]> {
    const text = await readFile(`${this.behaviour}.calls`, 'utf8').catch(() => '');
    await rm(`${this.behaviour}.calls`, { force: true });
    return text.split('\n').filter((line) => line !== '');
  }

  /** The calls so far, which stay. */
  async callsSoFar(): Promise<string> {
    return readFile(`${this.behaviour}.calls`, 'utf8').catch(() => '');
  }

  env(more: NodeJS.ProcessEnv = {}): NodeJS.ProcessEnv {
    return { ...process.env, ...more, FAKE_NVML: this.behaviour };
  }

  remove(): Promise<void> {
    return rm(this.folder, { recursive: true, force: true });
  }
}

/** What the tests of the source share: a whole library, and a source of which each test has a new one. */
export class NvmlBench {
  private constructor(
    readonly fake: FakeNvml,
    readonly whole: string,
    public source: NvmlSource,
  ) {}

  static async make(): Promise<NvmlBench> {
    const fake = await FakeNvml.make();
    const whole = await fake.library();
    return new NvmlBench(fake, whole, NvmlBench.open(fake, whole, 20));
  }

  private static open(fake: FakeNvml, library: string, timeoutSeconds: number): NvmlSource {
    return new NvmlSource({ timeoutSeconds, library, env: fake.env(), now: () => new Date(1000) });
  }

  /** Another source, with a child of its own. */
  async remake(library = this.whole, timeoutSeconds = 20): Promise<void> {
    await this.source.close();
    this.source = NvmlBench.open(this.fake, library, timeoutSeconds);
  }

  /** One whole GPU, no event, no call noted yet, a new source. */
  async reset(): Promise<void> {
    await this.fake.does();
    await this.fake.happens();
    await this.fake.calls();
    await this.remake();
  }

  async samples(): Promise<GpuSample[]> {
    const reading = await this.source.read();
    if (reading.state !== 'up') throw new Error(reading.reason);
    return reading.samples;
  }

  async one(): Promise<GpuSample> {
    return (await this.samples())[0]!;
  }

  async remove(): Promise<void> {
    await this.source.close();
    await this.fake.remove();
  }
}

import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { chmod, mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ROOT, type RunState } from '@vigil/launch';
import { until } from '@vigil/testing';

/** The launcher as `npm start` runs it once everything is built: a process of its own, on free ports. */
export class Launcher {
  output = '';
  private constructor(
    readonly child: ChildProcess,
    readonly dataDir: string,
  ) {
    for (const stream of [child.stdout!, child.stderr!])
      stream.on('data', (chunk: Buffer) => (this.output += chunk.toString()));
  }

  static async run(env: Record<string, string>, dataDir?: string): Promise<Launcher> {
    const folder = dataDir ?? (await mkdtemp(join(tmpdir(), 'vigil-e2e-')));
    await chmod(folder, 0o755);
    const ports = ['POSTGRES', 'RUNTIME', 'API', 'OTLP', 'COLLECTOR', 'PROMETHEUS'].map((name) => [
      `${name}_PORT`,
      '0',
    ]);
    const child = spawn(process.execPath, [join(ROOT, 'tools/launch/dist/main.js')], {
      cwd: ROOT,
      env: {
        PATH: process.env.PATH,
        HOME: process.env.HOME,
        DATA_DIR: folder,
        PROMETHEUS: 'false',
        ...Object.fromEntries(ports),
        ...env,
      },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    return new Launcher(child, folder);
  }

  /** What it wrote down for others; processes come and go, so this is read anew each time. */
  state(): RunState {
    return JSON.parse(readFileSync(join(this.dataDir, 'launcher.json'), 'utf8')) as RunState;
  }

  async ready(): Promise<RunState> {
    return until(
      'the launcher to say that Vigil runs',
      () => {
        if (this.child.exitCode !== null) throw new Error(`it ended:\n${this.output}`);
        return this.output.includes('Vigil runs.') && this.state();
      },
      60,
    );
  }

  /** Waits for the end; answers the exit code. */
  async ended(): Promise<number | null> {
    if (this.child.exitCode === null && this.child.signalCode === null) await once(this.child, 'exit');
    return this.child.exitCode;
  }

  async stop(): Promise<number | null> {
    this.child.kill('SIGINT');
    return this.ended();
  }

  async remove(): Promise<void> {
    if (this.child.exitCode === null && this.child.signalCode === null) await this.stop();
    await rm(this.dataDir, { recursive: true, force: true });
  }
}

/** Process numbers whose command line or working folder names a text: what a stack may have left behind. */
export async function processesNaming(text: string): Promise<string[]> {
  const found: string[] = [];
  for (const pid of (await readdir('/proc')).filter((name) => /^\d+$/.test(name))) {
    if (Number(pid) === process.pid) continue;
    const read = (file: string) => readFile(`/proc/${pid}/${file}`, 'utf8').catch(() => '');
    if ((await read('cmdline')).includes(text) || (await read('environ')).includes(text))
      found.push(`${pid} ${await read('cmdline')}`);
  }
  return found;
}

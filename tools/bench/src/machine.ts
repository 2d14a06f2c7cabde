import { execFile } from 'node:child_process';
import { cpus, platform, release, totalmem } from 'node:os';
import { promisify } from 'node:util';

/** What a figure was measured on, in words. */
export interface Machine {
  cpu: string;
  memory: string;
  gpus: string[];
  system: string;
  node: string;
}

export async function describeMachine(): Promise<Machine> {
  const cores = cpus();
  return {
    cpu: `${cores.length} × ${cores[0]?.model.trim() || 'unknown CPU'}`,
    memory: `${Math.round(totalmem() / 2 ** 30)} GiB`,
    gpus: await gpus(),
    system: `${platform()} ${release()}`,
    node: process.version,
  };
}

/** Names and drivers as nvidia-smi tells them; none where it is not here. */
async function gpus(): Promise<string[]> {
  try {
    const asked = ['--query-gpu=name,driver_version', '--format=csv,noheader'];
    const { stdout } = await promisify(execFile)('nvidia-smi', asked, { timeout: 20_000 });
    const names = stdout.trim().split('\n');
    return [...new Set(names)].map(
      (name) => `${names.filter((n) => n === name).length} × ${name.replace(', ', ', driver ')}`,
    );
  } catch {
    return ['no NVIDIA GPU'];
  }
}

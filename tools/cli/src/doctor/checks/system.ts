import { accessSync, constants, existsSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { basename, join } from 'node:path';
import { parseLimits, type Limit, type Roots } from '@vigil/host';
import { number } from '../../text.js';
import { fail, pass, skip, warn, type Check, type Finding } from '../types.js';

/** Connections, files of a model and of PostgreSQL: what a busy server has open. */
const WANTED = 65_536;
const LEAST = 4096;

export const openFiles: Check = {
  id: 'limits.open-files',
  title: 'Open files',
  run({ roots }) {
    const limit = limitOfShell(roots);
    return limit ? decideOpenFiles(limit) : skip('The kernel does not say.');
  },
};

/** Decides on the limit that programs started here get. */
export function decideOpenFiles({ soft, hard }: Limit): Finding {
  const figure = (n: number) => (n === Infinity ? 'unlimited' : number(n));
  const measured = soft === hard ? figure(soft) : `${figure(soft)}, may be raised to ${figure(hard)}`;
  const values = { soft: soft === Infinity ? null : soft, hard: hard === Infinity ? null : hard };
  const remedy = `Set "nofile ${WANTED}" in /etc/security/limits.d, LimitNOFILE=${WANTED} in units, --ulimit nofile=${WANTED} for containers.`;
  if (hard < LEAST) return { ...fail(measured, 'A busy server runs out of connections.', remedy), values };
  if (hard < WANTED) return { ...warn(measured, `Many streams at once may need ${number(WANTED)}.`, remedy), values };
  if (soft < WANTED)
    return {
      ...pass(measured, 'Vigil\'s programs raise it themselves; for others (vLLM) use "ulimit -n" first.'),
      values,
    };
  return { ...pass(measured, 'Enough for many streams at once.'), values };
}

/**
 * The limit of whatever started us. Node.js raises its own to the highest allowed, and all that it starts inherit that:
 * so the one above all Node.js processes is asked.
 */
export function limitOfShell(roots: Roots, pid = process.pid): Limit | null {
  let asked = pid;
  for (let at = pid, steps = 0; at > 1 && steps < 32; at = parentOf(roots, at), steps++)
    if (programOf(roots, at).startsWith('node')) asked = parentOf(roots, at);
  for (const id of [asked, 'self']) {
    const limit = id === 0 ? null : parseLimits(read(roots.proc, `${id}/limits`)).openFiles;
    if (limit) return limit;
  }
  return null;
}

function parentOf(roots: Roots, pid: number): number {
  return Number(/^PPid:\s+(\d+)$/m.exec(read(roots.proc, `${pid}/status`))?.[1] ?? 0);
}

function programOf(roots: Roots, pid: number): string {
  try {
    return basename(readlinkSync(join(roots.proc, String(pid), 'exe')));
  } catch {
    return '';
  }
}

function read(...path: string[]): string {
  try {
    return readFileSync(join(...path), 'utf8');
  } catch {
    return '';
  }
}

const ENGINES = ['docker', 'podman', 'nerdctl', 'containerd'];
const TOOLKIT = ['nvidia-container-runtime', 'nvidia-ctk', 'nvidia-container-cli'];
const INSTALL =
  'Install the package nvidia-container-toolkit, then "sudo nvidia-ctk runtime configure --runtime=docker" and restart Docker.';

export const containerToolkit: Check = {
  id: 'container.toolkit',
  title: 'Container toolkit',
  async run(context) {
    const found = (names: readonly string[]) => names.filter((name) => isOnPath(name, context.env['PATH']));
    const gpu = (await context.gpus()).reading.state !== 'none';
    return decideToolkit({
      gpu,
      engines: found(ENGINES),
      tools: found(TOOLKIT),
      dockerKnows: dockerKnows(read(context.etc, 'docker/daemon.json')),
      cdi: hasCdi(join(context.etc, 'cdi')) || hasCdi('/var/run/cdi'),
    });
  },
};

export interface ToolkitFacts {
  gpu: boolean;
  engines: readonly string[];
  tools: readonly string[];
  /** Whether Docker's configuration has the runtime. */
  dockerKnows: boolean;
  /** Whether a CDI specification of NVIDIA's is there, which Podman and newer Docker use. */
  cdi: boolean;
}

export function decideToolkit({ gpu, engines, tools, dockerKnows, cdi }: ToolkitFacts): Finding {
  if (engines.length === 0) return skip('No container engine is here.', 'none');
  if (!gpu) return skip(`There is no GPU to hand to ${engines.join(', ')}.`);
  if (tools.length === 0)
    return warn('not installed', `Containers of ${engines.join(', ')} can not use the GPUs.`, INSTALL);
  if (engines.includes('docker') && !dockerKnows && !cdi)
    return warn(
      tools.join(', '),
      'It is installed, and Docker does not know it.',
      '"sudo nvidia-ctk runtime configure --runtime=docker", then restart Docker.',
    );
  return pass(tools.join(', '), 'Containers can use the GPUs.');
}

/** Whether `daemon.json` names NVIDIA's runtime. */
export function dockerKnows(text: string): boolean {
  try {
    const { runtimes, 'default-runtime': preset } = JSON.parse(text) as Record<string, unknown>;
    return preset === 'nvidia' || (typeof runtimes === 'object' && runtimes !== null && 'nvidia' in runtimes);
  } catch {
    return false;
  }
}

function hasCdi(folder: string): boolean {
  try {
    return readdirSync(folder).some((name) => /nvidia.*\.(ya?ml|json)$/.test(name));
  } catch {
    return false;
  }
}

export function isOnPath(name: string, path = ''): boolean {
  return path.split(':').some((folder) => {
    if (folder === '' || !existsSync(join(folder, name))) return false;
    try {
      accessSync(join(folder, name), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

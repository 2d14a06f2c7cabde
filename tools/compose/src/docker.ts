import { spawn } from 'node:child_process';
import { once } from 'node:events';

export interface Ran {
  code: number;
  /** Standard output and standard error, as they came. */
  output: string;
  seconds: number;
}

/** Runs a program to its end; never throws for what it answers, only where it can not be started. */
export async function run(command: string, args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<Ran> {
  const began = performance.now();
  const child = spawn(command, args, { env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (text: string) => {
      output += text;
    });
  const [code] = (await once(child, 'close')) as [number | null];
  return { code: code ?? 1, output, seconds: (performance.now() - began) / 1000 };
}

/** What `docker` answers. @throws Error with its answer where it fails */
export async function docker(...args: string[]): Promise<string> {
  const { code, output } = await run('docker', args);
  if (code !== 0) throw new Error(`docker ${args.join(' ')}: ${output.trim()}`);
  return output.trim();
}

/** `docker compose`, else `docker-compose`; `undefined` where there is neither. */
export async function findCompose(): Promise<string[] | undefined> {
  for (const words of [['docker', 'compose'], ['docker-compose']]) {
    try {
      if ((await run(words[0]!, [...words.slice(1), 'version'])).code === 0) return words;
    } catch {
      // Not installed: the other may be.
    }
  }
  return undefined;
}

/** Whether the image is here, or could be fetched. */
export async function haveImage(image: string): Promise<boolean> {
  if ((await run('docker', ['image', 'inspect', image])).code === 0) return true;
  return (await run('docker', ['pull', '-q', image])).code === 0;
}

export interface ContainerState {
  id: string;
  pid: number;
  restarts: number;
  status: string;
  /** `none` where nothing looks. */
  health: string;
  exitCode: number;
}

export async function inspect(id: string): Promise<ContainerState> {
  const [container] = JSON.parse(await docker('inspect', id)) as [
    {
      Id: string;
      RestartCount: number;
      State: { Pid: number; Status: string; ExitCode: number; Health?: { Status: string } };
    },
  ];
  const { Pid: pid, Status: status, ExitCode: exitCode, Health } = container.State;
  return {
    id: container.Id,
    restarts: container.RestartCount,
    pid,
    status,
    exitCode,
    health: Health?.Status ?? 'none',
  };
}

import { createServer } from 'node:net';
import { join } from 'node:path';
import { until } from '@vigil/testing';
import { docker, inspect, run, type ContainerState, type Ran } from './docker.js';
import { ROOT } from './root.js';

const PORTS = ['POSTGRES_PORT', 'RUNTIME_PORT', 'OTLP_PORT', 'COLLECTOR_PORT', 'API_PORT', 'PROMETHEUS_PORT'] as const;
type PortName = (typeof PORTS)[number] | 'ALERTMANAGER_PORT' | 'GRAFANA_PORT';

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await new Promise((done) => server.once('listening', done));
  const { port } = server.address() as { port: number };
  await new Promise((done) => server.close(done));
  return port;
}

/** The stack of docker-compose.yml under a name, ports and volumes of its own. */
export class Project {
  private constructor(
    private readonly compose: readonly string[],
    readonly name: string,
    readonly env: Readonly<Record<string, string>>,
  ) {}

  static async create(compose: readonly string[], name: string, env: Record<string, string>): Promise<Project> {
    const ports: Record<string, string> = {};
    for (const port of [...PORTS, 'ALERTMANAGER_PORT', 'GRAFANA_PORT']) ports[port] = String(await freePort());
    // The user's own .env must not decide what is rehearsed: variables of the environment win over it.
    return new Project(compose, name, { COMPOSE_PROJECT_NAME: name, COMPOSE_FILE: '', ...ports, ...env });
  }

  url(port: PortName, path = ''): string {
    return `http://127.0.0.1:${this.env[port]}${path}`;
  }

  get network(): string {
    return `${this.name}_default`;
  }

  volume(name: string): string {
    return `${this.name}_${name}`;
  }

  /** Runs compose. @param files further files, relative to the root */
  try(args: readonly string[], env: Record<string, string> = {}, files: readonly string[] = []): Promise<Ran> {
    const [command = '', ...words] = this.compose;
    const named = ['docker-compose.yml', ...files].flatMap((file) => ['-f', join(ROOT, file)]);
    const all = [...words, '--project-directory', ROOT, '--profile', 'alertmanager', ...named, ...args];
    return run(command, all, { ...this.env, ...env });
  }

  async do(args: readonly string[], env: Record<string, string> = {}): Promise<Ran> {
    const ran = await this.try(args, env);
    if (ran.code !== 0) throw new Error(`compose ${args.join(' ')} ended with ${ran.code}:\n${ran.output}`);
    return ran;
  }

  /** The newest container of a service. */
  async container(service: string): Promise<ContainerState> {
    const labels = [`project=${this.name}`, `service=${service}`, 'oneoff=False'];
    const filters = labels.flatMap((label) => ['--filter', `label=com.docker.compose.${label}`]);
    const id = await docker('ps', '-aq', ...filters);
    if (id === '') throw new Error(`The service ${service} has no container.`);
    return inspect(id.split('\n')[0]!);
  }

  async logs(service: string): Promise<string> {
    return (await run('docker', ['logs', (await this.container(service)).id])).output;
  }

  healthy(service: string, seconds = 120): Promise<ContainerState> {
    return until(
      `${service} to be healthy`,
      async () => {
        const state = await this.container(service);
        return state.status === 'running' && state.health === 'healthy' && state;
      },
      seconds,
    );
  }
}

/** @throws Error with the answer's text where it is not 2xx */
export async function getJson<T>(url: string, init: RequestInit = {}): Promise<T> {
  const answer = await fetch(url, { ...init, signal: AbortSignal.timeout(60_000) });
  const text = await answer.text();
  if (!answer.ok) throw new Error(`${url}: ${answer.status} ${text.slice(0, 500)}`);
  return JSON.parse(text) as T;
}

import { mkdir } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { UserError } from '@vigil/service';
import { ManagedProcess, type ProcessEvents } from './managed-process.js';
import type { LaunchConfig } from './config.js';
import { ManagedPostgres } from './managed-postgres.js';
import { freePort, isFree } from './ports.js';
import type { Progress } from './progress.js';
import { findProgram, writePrometheusConfig } from './prometheus.js';
import { claim, emptyState, release, writeState } from './state.js';

/** The repository's root. */
export const ROOT = join(dirname(fileURLToPath(import.meta.url)), '..', '..', '..');

type Ports = Record<'RUNTIME_PORT' | 'API_PORT' | 'OTLP_PORT' | 'COLLECTOR_PORT' | 'PROMETHEUS_PORT', number>;

/** All processes of Vigil: started in order, brought back when they die, stopped in reverse order. */
export class Stack {
  readonly dataDir: string;
  /** By name, once started. */
  addresses: Record<string, string> = {};
  private readonly processes: ManagedProcess[] = [];
  private postgres: ManagedPostgres | undefined;
  private claimed = false;
  private stopped: Promise<void> | undefined;
  private ports!: Ports;
  databaseUrl = '';

  constructor(
    private readonly config: LaunchConfig,
    private readonly progress: Progress,
    private readonly env: NodeJS.ProcessEnv = process.env,
  ) {
    this.dataDir = resolve(ROOT, config.DATA_DIR);
  }

  /**
   * Starts everything and waits until each part is healthy.
   * @throws UserError with a sentence; what was started is stopped again by `stop`
   */
  async start(): Promise<void> {
    await claim(this.dataDir);
    this.claimed = true;
    await mkdir(this.logDir, { recursive: true });
    this.ports = await this.choosePorts();
    this.databaseUrl = this.config.DATABASE_URL ?? (await this.startPostgres());
    // The API first: it reaches for the database at once and says what is wrong with it.
    await this.startService('api', 'API', 'API_PORT');
    await this.startService('collector', 'Collector', 'COLLECTOR_PORT');
    await this.startService('runtime', 'Runtime', 'RUNTIME_PORT');
    await this.startPrometheus();
    this.addresses = {
      runtime: this.url('RUNTIME_PORT'),
      api: this.url('API_PORT'),
      otlp: this.url('OTLP_PORT'),
      metrics: this.url('COLLECTOR_PORT'),
      ...this.addresses,
    };
    await this.saveState();
  }

  /** Stops everything in reverse order. A second call awaits the first. */
  stop(): Promise<void> {
    this.stopped ??= this.stopAll();
    return this.stopped;
  }

  /** Process numbers by name, as they are now. */
  pids(): Record<string, number> {
    const all = [...this.processes.map((p) => [p.spec.name, p.pid]), ['postgres', this.postgres?.pid]];
    return Object.fromEntries(all.filter(([, pid]) => pid !== undefined));
  }

  /** Starts one more process beside, watched and stopped like the others. */
  async add(process: ManagedProcess): Promise<void> {
    this.processes.push(process);
    await process.start();
  }

  /** What is told of processes that come and go. */
  readonly events: ProcessEvents = {
    progress: (name, text) => this.progress.detail(name, text),
    warning: (name, text) => this.progress.line(`  ${name}: ${text}`),
    died: (name, how) => this.progress.line(`✗ ${name} died (${how}). Starting it again …`),
    back: (name, seconds) => {
      this.progress.line(`✓ ${name} is back after ${seconds.toFixed(1)} s`);
      void this.saveState();
    },
  };

  get logDir(): string {
    return join(this.dataDir, 'logs');
  }

  private async stopAll(): Promise<void> {
    for (const process of this.processes.toReversed()) await process.stop();
    await this.postgres?.stop();
    if (this.claimed) release(this.dataDir);
  }

  private async saveState(): Promise<void> {
    await writeState(this.dataDir, {
      ...emptyState(),
      addresses: this.addresses,
      processes: this.pids(),
      databaseUrl: this.databaseUrl,
    });
  }

  private url(port: keyof Ports): string {
    const { HOST } = this.config;
    const host = HOST === '0.0.0.0' ? '127.0.0.1' : HOST === '::' ? '[::1]' : HOST.includes(':') ? `[${HOST}]` : HOST;
    return `http://${host}:${this.ports[port]}`;
  }

  /** Ports given as 0 are chosen now, so that every process can be told of the others. */
  private async choosePorts(): Promise<Ports> {
    const names = ['RUNTIME_PORT', 'API_PORT', 'OTLP_PORT', 'COLLECTOR_PORT', 'PROMETHEUS_PORT'] as const;
    const chosen = {} as Ports;
    for (const name of names) {
      const wanted = this.config[name];
      chosen[name] = wanted || (await freePort(this.config.HOST));
      const twin = names.find((other) => other !== name && chosen[other] === chosen[name]);
      if (twin) throw new UserError(`${name} and ${twin} are both ${chosen[name]}. Set one of them to another port.`);
    }
    return chosen;
  }

  private async startPostgres(): Promise<string> {
    this.postgres = new ManagedPostgres(
      {
        folder: join(this.dataDir, 'postgres'),
        port: this.config.POSTGRES_PORT,
        logFile: join(this.logDir, 'postgres.log'),
      },
      this.events,
    );
    return this.progress.step('PostgreSQL', () => this.postgres!.start());
  }

  private async startService(name: string, title: string, port: keyof Ports): Promise<void> {
    const ports = Object.fromEntries(Object.entries(this.ports).map(([key, value]) => [key, String(value)]));
    const process = new ManagedProcess(
      {
        name,
        module: join(ROOT, 'apps', name, 'dist', 'main.js'),
        env: {
          ...this.env,
          ...ports,
          DATA_DIR: this.dataDir,
          DATABASE_URL: this.databaseUrl,
          OTEL_EXPORTER_OTLP_ENDPOINT: this.env.OTEL_EXPORTER_OTLP_ENDPOINT ?? this.url('OTLP_PORT'),
          PUBLIC_URL: this.env.PUBLIC_URL ?? this.url('API_PORT'),
        },
        logFile: join(this.logDir, `${name}.log`),
        healthUrl: `${this.url(port)}/health/ready`,
        stopMs: 2_500,
      },
      this.events,
    );
    if (!(await isFree(this.config.HOST, this.ports[port]))) throw portTaken(this.config.HOST, this.ports[port], port);
    await this.progress.step(title, () => this.add(process));
  }

  private async startPrometheus(): Promise<void> {
    const program = this.config.PROMETHEUS ? findProgram('prometheus') : undefined;
    if (!program) return;
    const { PROMETHEUS_PORT: port, RUNTIME_PORT, API_PORT, COLLECTOR_PORT } = this.ports;
    if (!(await isFree(this.config.HOST, port))) {
      this.progress.line(`  Port ${port} is taken, so no Prometheus is started. Set PROMETHEUS_PORT to have one.`);
      return;
    }
    const folder = join(this.dataDir, 'prometheus');
    const host = this.config.HOST;
    const configFile = await writePrometheusConfig(
      folder,
      { runtime: `${host}:${RUNTIME_PORT}`, collector: `${host}:${COLLECTOR_PORT}`, api: `${host}:${API_PORT}` },
      join(ROOT, 'alerts', 'prometheus.rules.yaml'),
      `${this.config.PROMETHEUS_SCRAPE_INTERVAL}s`,
    );
    const process = new ManagedProcess(
      {
        name: 'prometheus',
        command: program,
        args: [
          `--config.file=${configFile}`,
          `--storage.tsdb.path=${join(folder, 'data')}`,
          `--web.listen-address=${host}:${port}`,
          '--log.level=warn',
        ],
        env: this.env,
        logFile: join(this.logDir, 'prometheus.log'),
        healthUrl: `${this.url('PROMETHEUS_PORT')}/-/ready`,
        stopMs: 1_500,
      },
      this.events,
    );
    await this.progress.step('Prometheus', () => this.add(process));
    this.addresses.prometheus = this.url('PROMETHEUS_PORT');
  }
}

const portTaken = (host: string, port: number, variable: string): UserError =>
  new UserError(
    `Port ${port} on ${host} is taken. Stop the program that listens there, or set ${variable} to a free port.`,
  );

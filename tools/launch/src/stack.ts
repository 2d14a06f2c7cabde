import { mkdir } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { errorMessage, UserError } from '@vigil/service';
import { ManagedProcess, type ProcessEvents } from './managed-process.js';
import type { LaunchConfig } from './config.js';
import { tellsPeople, withRuntime } from './environment.js';
import { ManagedPostgres } from './managed-postgres.js';
import { assertFree, freePort, reachable, urlHost } from './ports.js';
import type { Progress } from './progress.js';
import { findProgram, writePrometheusConfig } from './prometheus.js';
import { claim, emptyState, release, writeState } from './state.js';

/** The repository's root. */
export const ROOT = join(dirname(fileURLToPath(import.meta.url)), '..', '..', '..');

type Ports = Record<'RUNTIME_PORT' | 'API_PORT' | 'OTLP_PORT' | 'COLLECTOR_PORT' | 'PROMETHEUS_PORT', number>;

/** All processes of Vigil: started in order, brought back when they die, stopped from the front to the back. */
export class Stack {
  readonly dataDir: string;
  /** By name, once started. */
  addresses: Record<string, string> = {};
  private readonly processes: ManagedProcess[] = [];
  private postgres: ManagedPostgres | undefined;
  private claimed = false;
  private stopped: Promise<void> | undefined;
  private starting: Promise<void> | undefined;
  private ports!: Ports;
  /** Why no Prometheus runs beside; undefined where one does. */
  withoutPrometheus: string | undefined;
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
  start(): Promise<void> {
    this.starting ??= this.startAll();
    return this.starting;
  }

  private async startAll(): Promise<void> {
    await claim(this.dataDir);
    this.claimed = true;
    await mkdir(this.logDir, { recursive: true });
    this.ports = await this.choosePorts();
    this.databaseUrl = this.config.DATABASE_URL ?? (await this.startPostgres());
    // The API first: it reaches for the database at once and says what is wrong with it, or that it waits.
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
    if (this.stopped) throw new UserError('Vigil is being stopped.');
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
    // A start that is under way ends first: what it is about to start would be left behind.
    await Promise.all([this.processes.at(-1)?.stop(), this.starting?.catch(() => undefined)]);
    // First what takes requests in, then what writes them down, each group at once: with the worst of each it takes 9 s.
    const sources = this.processes.filter(({ spec }) => spec.name === 'runtime' || spec.name === 'prometheus');
    await Promise.all(sources.map((process) => process.stop()));
    await Promise.all(this.processes.map((process) => process.stop()));
    await this.postgres?.stop();
    if (this.claimed) release(this.dataDir);
  }

  private async saveState(): Promise<void> {
    await writeState(this.dataDir, {
      ...emptyState(),
      addresses: this.addresses,
      processes: this.pids(),
      databaseUrl: this.databaseUrl,
      tellsPeople: tellsPeople(this.env),
    });
  }

  private url(port: keyof Ports): string {
    return `http://${urlHost(reachable(this.config.HOST))}:${this.ports[port]}`;
  }

  /** Ports given as 0 are chosen now, so that every process can be told of the others. */
  private async choosePorts(): Promise<Ports> {
    const names = ['RUNTIME_PORT', 'API_PORT', 'OTLP_PORT', 'COLLECTOR_PORT', 'PROMETHEUS_PORT'] as const;
    const chosen = {} as Ports;
    for (const name of names) {
      const wanted = this.config[name];
      chosen[name] = wanted || (await freePort(this.config.HOST));
      const all = { ...chosen, ...(!this.config.DATABASE_URL && { POSTGRES_PORT: this.config.POSTGRES_PORT }) };
      const twin = Object.entries(all).find(([other, port]) => other !== name && port === chosen[name])?.[0];
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
          ENGINE_METRICS: withRuntime(this.env.ENGINE_METRICS, this.url('RUNTIME_PORT')),
        },
        logFile: join(this.logDir, `${name}.log`),
        healthUrl: `${this.url(port)}/health/ready`,
        stopMs: 2_500,
      },
      this.events,
    );
    await assertFree(this.config.HOST, this.ports[port], port);
    await this.progress.step(title, () => this.add(process));
  }

  /** Prometheus is a guest: where it can't be had, Vigil does without, and says why. */
  private async startPrometheus(): Promise<void> {
    try {
      this.withoutPrometheus = await this.tryPrometheus();
    } catch (error) {
      if (this.stopped) throw error;
      this.withoutPrometheus = errorMessage(error);
      this.progress.line(`  Vigil goes on without Prometheus. ${this.withoutPrometheus}`);
    }
  }

  /** @returns why there is none, undefined where it runs */
  private async tryPrometheus(): Promise<string | undefined> {
    if (!this.config.PROMETHEUS) return 'switched off by PROMETHEUS';
    const program = findProgram('prometheus');
    if (!program) return 'none on the PATH, none needed';
    await assertFree(this.config.HOST, this.ports.PROMETHEUS_PORT, 'PROMETHEUS_PORT');
    const folder = join(this.dataDir, 'prometheus');
    const target = (port: keyof Ports) => new URL(this.url(port)).host;
    const configFile = await writePrometheusConfig(
      folder,
      { runtime: target('RUNTIME_PORT'), collector: target('COLLECTOR_PORT'), api: target('API_PORT') },
      ['prometheus.recording.rules.yaml', 'prometheus.rules.yaml'].map((name) => join(ROOT, 'alerts', name)),
      `${this.config.PROMETHEUS_SCRAPE_INTERVAL}s`,
    );
    const process = new ManagedProcess(
      {
        name: 'prometheus',
        command: program,
        args: [
          `--config.file=${configFile}`,
          `--storage.tsdb.path=${join(folder, 'data')}`,
          `--web.listen-address=${urlHost(this.config.HOST)}:${this.ports.PROMETHEUS_PORT}`,
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
    return undefined;
  }
}

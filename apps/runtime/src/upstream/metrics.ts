import { Counter, Gauge, Histogram, type GaugeConfiguration, type Registry } from 'prom-client';
import type { Pool } from './pool.js';

const STATES = ['closed', 'half-open', 'open'] as const;

/** What is to be known of each upstream. Names of upstreams are configured, so labels are bounded. */
export class UpstreamMetrics {
  private readonly attempts: Counter<'upstream' | 'outcome'>;
  private readonly firstToken: Histogram<'upstream'>;
  private readonly gaps: Histogram<'upstream'>;

  constructor(registry: Registry, pool: Pool) {
    const registers = [registry];
    const gauge = <T extends string>(configuration: GaugeConfiguration<T>) =>
      new Gauge({ ...configuration, registers });
    this.attempts = new Counter({
      name: 'vigil_upstream_attempts_total',
      help: 'Requests sent to an upstream, each retry counted, by how they ended: ok, cancelled, or the kind of the fault.',
      labelNames: ['upstream', 'outcome'],
      registers,
    });
    this.firstToken = new Histogram({
      name: 'vigil_upstream_time_to_first_token_seconds',
      help: 'From sending a request to an upstream to its first token, of streams.',
      labelNames: ['upstream'],
      buckets: [0.001, 0.005, 0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92],
      registers,
    });
    this.gaps = new Histogram({
      name: 'vigil_upstream_inter_token_seconds',
      help: 'Time between two tokens of one stream, as they come from an upstream.',
      labelNames: ['upstream'],
      buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1, 2.5, 10],
      registers,
    });
    gauge({
      name: 'vigil_upstream_requests_running',
      help: 'Requests that an upstream is answering.',
      labelNames: ['upstream'],
      collect() {
        for (const { name, running } of pool.members) this.set({ upstream: name }, running);
      },
    });
    gauge({
      name: 'vigil_runtime_requests_running',
      help: 'Requests that are being answered.',
      collect() {
        this.set(pool.members.reduce((sum, { running }) => sum + running, 0));
      },
    });
    gauge({
      name: 'vigil_upstream_circuit_state',
      help: '1 for the state of the circuit to an upstream, 0 for the others: closed (it is asked), half-open (one request tries it), open (it is left alone).',
      labelNames: ['upstream', 'state'],
      collect() {
        for (const { name, circuit } of pool.members)
          for (const state of STATES) this.set({ upstream: name, state }, circuit.state === state ? 1 : 0);
      },
    });
    gauge({
      name: 'vigil_upstream_info',
      help: 'Always 1; the labels say what each upstream is.',
      labelNames: ['upstream', 'provider', 'tier', 'weight'],
      collect() {
        this.reset();
        for (const { name, provider, tier, weight } of pool.members)
          this.set({ upstream: name, provider, tier: String(tier), weight: String(weight) }, 1);
      },
    });
    for (const { name } of pool.members) this.attempts.inc({ upstream: name, outcome: 'ok' }, 0);
  }

  attempt(upstream: string, outcome: string): void {
    this.attempts.inc({ upstream, outcome });
  }

  /** Seconds. */
  firstTokenAfter(upstream: string, seconds: number): void {
    this.firstToken.observe({ upstream }, seconds);
  }

  /** Seconds. */
  tokenAfter(upstream: string, seconds: number): void {
    this.gaps.observe({ upstream }, seconds);
  }
}

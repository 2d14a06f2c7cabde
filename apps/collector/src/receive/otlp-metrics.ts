import { Counter, type Registry } from 'prom-client';

const RESULTS = ['accepted', 'duplicate', 'ignored', 'rejected'] as const;
const CODES = ['200', '400', '413', '415', '503'] as const;

/** What the receiver says of itself at `/metrics`. */
export class OtlpMetrics {
  private readonly requests: Counter;
  private readonly results: Counter;

  constructor(registry: Registry) {
    this.requests = new Counter({
      name: 'vigil_otlp_requests_total',
      help: 'OTLP requests by HTTP status.',
      labelNames: ['code'],
      registers: [registry],
    });
    this.results = new Counter({
      name: 'vigil_otlp_spans_total',
      help: 'Spans received: accepted (a request, now a row), duplicate (sent before), ignored (taken, and no request to a model), rejected (bad ids or times).',
      labelNames: ['result'],
      registers: [registry],
    });
    for (const code of CODES) this.requests.inc({ code }, 0);
    for (const result of RESULTS) this.results.inc({ result }, 0);
  }

  answered(code: number): void {
    this.requests.inc({ code: String(code) });
  }

  spans(results: Readonly<Record<(typeof RESULTS)[number], number>>): void {
    for (const result of RESULTS) this.results.inc({ result }, results[result]);
  }
}

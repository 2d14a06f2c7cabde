import { PROMETHEUS_LABELS, REQUEST_LABELS, REQUEST_METRICS as M, type MetricDefinition } from '@vigil/signals';
import type { RequestRow } from '@vigil/store';
import { Counter, Histogram, type Registry } from 'prom-client';
import { OTHER_ERROR } from './outcome.js';

const OUTCOMES = ['ok', 'error', 'rejection', 'cancellation'] as const;
const TOKENS = ['input', 'output', 'reasoning'] as const;
const FLAWS = ['unclosed_reasoning', 'empty_answer', 'truncated'] as const;
/** Error types are senders' words: as many as this are told apart. */
const ERROR_TYPES_MAX = 50;

type Labels = Record<string, string>;

/**
 * Requests at `/metrics`, named and labelled as the signal catalogue says, and counted as the store's roll-ups count
 * them.
 */
export class RequestMetrics {
  private readonly counters: Record<'requests' | 'tokens' | 'answers' | 'reasonings' | 'flaws', Counter>;
  private readonly histograms: Record<
    'duration' | 'firstToken' | 'perToken' | 'queue' | 'latency' | 'repetition' | 'reasoningShare',
    Histogram
  >;
  private readonly known = new Set<string>();
  private readonly errorTypes = new Set<string>();

  constructor(registry: Registry) {
    const registers = [registry];
    const counter = ({ name, help, labels }: MetricDefinition) =>
      new Counter({ name, help, labelNames: [...labels], registers });
    const histogram = ({ name, help, labels, buckets }: MetricDefinition) =>
      new Histogram({ name, help, labelNames: [...labels], buckets: [...(buckets ?? [])], registers });
    this.counters = {
      requests: counter(M.requests),
      tokens: counter(M.tokens),
      answers: counter(M.answers),
      reasonings: counter(M.reasonings),
      flaws: counter(M.flaws),
    };
    this.histograms = {
      duration: histogram(M.duration),
      firstToken: histogram(M.firstToken),
      perToken: histogram(M.perToken),
      queue: histogram(M.queue),
      latency: histogram(M.latency),
      repetition: histogram(M.repetition),
      reasoningShare: histogram(M.reasoningShare),
    };
  }

  count(row: RequestRow): void {
    const labels: Labels = Object.fromEntries(REQUEST_LABELS.map((label) => [PROMETHEUS_LABELS[label], row[label]]));
    this.begin(labels);
    const { counters, histograms } = this;
    counters.requests.inc({ ...labels, outcome: row.outcome });
    histograms.duration.observe({ ...labels, error_type: this.errorType(row.errorType) }, row.duration);
    observe(histograms.firstToken, labels, row.timeToFirstToken);
    observe(histograms.perToken, labels, row.timePerOutputToken);
    observe(histograms.queue, labels, row.queueDuration);
    observe(histograms.latency, labels, row.responseLatency);
    observe(histograms.repetition, labels, row.repetition);
    observe(histograms.reasoningShare, labels, row.reasoningShare);
    const tokens = { input: row.inputTokens, output: row.outputTokens, reasoning: row.reasoningTokens };
    for (const type of TOKENS) counters.tokens.inc({ ...labels, gen_ai_token_type: type }, tokens[type] ?? 0);
    if (row.outcome === 'ok') counters.answers.inc(labels);
    if (row.unclosedReasoning !== null) counters.reasonings.inc(labels);
    const flaws = {
      unclosed_reasoning: row.unclosedReasoning,
      empty_answer: row.emptyAnswer,
      truncated: row.truncated,
    };
    for (const flaw of FLAWS) if (flaws[flaw] === true) counters.flaws.inc({ ...labels, flaw });
  }

  /** Prometheus sees no increase in a series that begins with a value, so that every series begins with 0. */
  private begin(labels: Labels): void {
    const key = JSON.stringify(labels);
    if (this.known.has(key)) return;
    this.known.add(key);
    const { requests, tokens, answers, reasonings, flaws } = this.counters;
    for (const outcome of OUTCOMES) requests.inc({ ...labels, outcome }, 0);
    for (const type of TOKENS) tokens.inc({ ...labels, gen_ai_token_type: type }, 0);
    for (const flaw of FLAWS) flaws.inc({ ...labels, flaw }, 0);
    answers.inc(labels, 0);
    reasonings.inc(labels, 0);
    const { duration, ...others } = this.histograms;
    duration.zero({ ...labels, error_type: '' });
    for (const histogram of Object.values(others)) histogram.zero(labels);
  }

  private errorType(type: string | null): string {
    if (type === null) return '';
    if (this.errorTypes.size < ERROR_TYPES_MAX) this.errorTypes.add(type);
    return this.errorTypes.has(type) ? type : OTHER_ERROR;
  }
}

function observe(histogram: Histogram, labels: Labels, value: number | null): void {
  if (value !== null) histogram.observe(labels, value);
}

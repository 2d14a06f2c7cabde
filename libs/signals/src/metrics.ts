import type { Unit } from './types.js';

/** A metric that a process of Vigil emits at `/metrics`. */
export interface MetricDefinition {
  name: string;
  type: 'counter' | 'gauge' | 'histogram';
  unit: Unit | '{request}' | '{token}' | '{answer}' | 'J';
  help: string;
  labels: readonly string[];
  /** Upper bounds of a histogram. */
  buckets?: readonly number[];
}

const REQUEST = ['node', 'endpoint', 'gen_ai_operation_name', 'gen_ai_provider_name', 'gen_ai_request_model'] as const;

/** 10 ms doubling to 1,310.72 s: OpenTelemetry's bounds, carried on because an R1 answer outruns their last. */
export const DURATION_BUCKETS: readonly number[] = Array.from({ length: 18 }, (_, i) => 0.01 * 2 ** i);

/** Most requests wait for no time worth telling. */
const QUEUE_BUCKETS: readonly number[] = [0.001, ...DURATION_BUCKETS];

const PER_TOKEN_BUCKETS = [
  0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1, 2.5,
] as const;
const RATIO_BUCKETS = [0, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 1] as const;

/** What the collector says of requests; GPU metrics are described where they are read. */
export const REQUEST_METRICS = {
  requests: {
    name: 'vigil_requests_total',
    type: 'counter',
    unit: '{request}',
    help: 'Requests that ended, by outcome: ok, error (the server is answerable), rejection (a client mistake), cancellation (the client hung up).',
    labels: [...REQUEST, 'outcome'],
  },
  duration: {
    name: 'gen_ai_server_request_duration_seconds',
    type: 'histogram',
    unit: 's',
    help: 'From receiving a request to the last byte of its answer.',
    labels: [...REQUEST, 'error_type'],
    buckets: DURATION_BUCKETS,
  },
  firstToken: {
    name: 'gen_ai_server_time_to_first_token_seconds',
    type: 'histogram',
    unit: 's',
    help: 'From receiving a request to its first output token.',
    labels: REQUEST,
    buckets: DURATION_BUCKETS,
  },
  perToken: {
    name: 'gen_ai_server_time_per_output_token_seconds',
    type: 'histogram',
    unit: 's',
    help: '(duration - time to first token) / (output tokens - 1).',
    labels: REQUEST,
    buckets: PER_TOKEN_BUCKETS,
  },
  queue: {
    name: 'vigil_request_queue_duration_seconds',
    type: 'histogram',
    unit: 's',
    help: 'Time that a request waited in the queue before it was begun, where that is known.',
    labels: REQUEST,
    buckets: QUEUE_BUCKETS,
  },
  latency: {
    name: 'vigil_response_latency_seconds',
    type: 'histogram',
    unit: 's',
    help: 'From receiving a request to the first byte of its answer: the first token of a stream, the whole of an unstreamed answer.',
    labels: REQUEST,
    buckets: DURATION_BUCKETS,
  },
  tokens: {
    name: 'gen_ai_usage_tokens_total',
    type: 'counter',
    unit: '{token}',
    help: 'Tokens by type: input, output (reasoning among them), reasoning.',
    labels: [...REQUEST, 'gen_ai_token_type'],
  },
  answers: {
    name: 'vigil_answers_total',
    type: 'counter',
    unit: '{answer}',
    help: 'Answers that ended and could be looked at.',
    labels: REQUEST,
  },
  reasonings: {
    name: 'vigil_reasonings_total',
    type: 'counter',
    unit: '{answer}',
    help: 'Answers that reasoned.',
    labels: REQUEST,
  },
  flaws: {
    name: 'vigil_answer_flaws_total',
    type: 'counter',
    unit: '{answer}',
    help: 'Answers by flaw: unclosed_reasoning, empty_answer, truncated.',
    labels: [...REQUEST, 'flaw'],
  },
  repetition: {
    name: 'vigil_answer_repetition_ratio',
    type: 'histogram',
    unit: '1',
    help: 'Repeated share of word 4-grams of the answer (rep-4).',
    labels: REQUEST,
    buckets: RATIO_BUCKETS,
  },
  reasoningShare: {
    name: 'vigil_answer_reasoning_share_ratio',
    type: 'histogram',
    unit: '1',
    help: 'Reasoning tokens over output tokens.',
    labels: REQUEST,
    buckets: RATIO_BUCKETS,
  },
} as const satisfies Record<string, MetricDefinition>;

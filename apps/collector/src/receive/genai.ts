import type { TurnScores } from '@vigil/quality';
import type { RequestRow } from '@vigil/store';
import { bool, count, first, firstText, seconds, shortText } from './attributes.js';
import { UNKNOWN, type RequestLabels } from './labels.js';
import { endingOf } from './outcome.js';
import { CLIENT, type Attributes, type Span } from './span.js';

/**
 * Names of one thing, the present one first: OpenTelemetry's GenAI conventions, their older names, OpenLLMetry,
 * OpenLIT, OpenInference, and vLLM's own spans.
 */
const NAMES = {
  operation: ['gen_ai.operation.name', 'llm.request.type'],
  engine: ['gen_ai.provider.name', 'gen_ai.system', 'llm.provider', 'llm.system', 'llm.vendor'],
  requestModel: ['gen_ai.request.model', 'llm.request.model', 'llm.model_name'],
  responseModel: ['gen_ai.response.model', 'llm.response.model'],
  responseId: ['gen_ai.response.id'],
  conversation: ['gen_ai.conversation.id', 'session.id', 'traceloop.association.properties.session_id'],
  stream: ['gen_ai.request.stream', 'gen_ai.request.is_stream', 'llm.is_streaming'],
  status: ['http.response.status_code', 'http.status_code'],
  errorType: ['error.type'],
  finish: ['gen_ai.response.finish_reasons', 'gen_ai.completion.0.finish_reason', 'llm.completions.0.finish_reason'],
  firstToken: [
    'gen_ai.response.time_to_first_chunk',
    'gen_ai.server.time_to_first_token',
    'gen_ai.latency.time_to_first_token',
  ],
  duration: ['gen_ai.latency.e2e'],
  queue: ['vigil.queue.duration', 'gen_ai.latency.time_in_queue'],
  inputTokens: [
    'gen_ai.usage.input_tokens',
    'gen_ai.usage.prompt_tokens',
    'llm.token_count.prompt',
    'llm.usage.prompt_tokens',
  ],
  outputTokens: [
    'gen_ai.usage.output_tokens',
    'gen_ai.usage.completion_tokens',
    'llm.token_count.completion',
    'llm.usage.completion_tokens',
  ],
  reasoningTokens: [
    'gen_ai.usage.reasoning.output_tokens',
    'gen_ai.usage.reasoning_tokens',
    'llm.token_count.completion_details.reasoning',
    'llm.usage.reasoning_tokens',
  ],
} as const;

/** Operations that are requests to a model that generates, as we call them. */
const OPERATIONS: Readonly<Record<string, string>> = {
  chat: 'chat',
  text_completion: 'text_completion',
  completion: 'text_completion',
  generate: 'generate',
  generate_content: 'generate_content',
};

/**
 * The operation of a span that is a request, `null` for every other span: without GenAI attributes, or an embedding,
 * a tool, an agent, a workflow. Without a named operation, a model or token counts make a span a request.
 */
export function operationOf({ attributes }: Span): string | null {
  const kind = attributes.get('openinference.span.kind');
  if (kind !== undefined && String(kind).toUpperCase() !== 'LLM') return null;
  if (attributes.has('traceloop.span.kind')) return null;
  const named = shortText(first(attributes, NAMES.operation));
  if (named !== null) return OPERATIONS[named.toLowerCase()] ?? null;
  const { requestModel, responseModel, inputTokens, outputTokens } = NAMES;
  const telling = [...requestModel, ...responseModel, ...inputTokens, ...outputTokens];
  return first(attributes, telling) === undefined ? null : 'chat';
}

/**
 * The spans of one export that are requests, each with its operation. Where a client's span and the server's are
 * parent and child, both tell of one request, and the server's counts. Spans that come in different exports can't be
 * told apart so: what calls Vigil's runtime should not send its own GenAI spans here too.
 */
export function requestsAmong(spans: readonly Span[]): { span: Span; operation: string }[] {
  const requests = spans.flatMap((span) => {
    const operation = operationOf(span);
    return operation === null ? [] : [{ span, operation }];
  });
  const key = (trace: string, id: string): string => `${trace} ${id}`;
  const servers = requests.map(({ span }) => span).filter(({ kind }) => kind !== CLIENT);
  const ids = new Set(servers.map((s) => key(s.traceId, s.spanId)));
  const parents = new Set(servers.map((s) => key(s.traceId, s.parentSpanId)));
  return requests.filter(
    ({ span: { kind, traceId, spanId, parentSpanId } }) =>
      kind !== CLIENT || (!ids.has(key(traceId, parentSpanId)) && !parents.has(key(traceId, spanId))),
  );
}

const NO_SCORES: TurnScores = {
  unclosedReasoning: null,
  emptyAnswer: null,
  truncated: null,
  repetition: null,
  reasoningRepetition: null,
  reasoningShare: null,
};

/** What a row is made with beside its span. */
export interface Flattening {
  /** Bounds the labels. `rejected`: the client's mistake. */
  labels: (labels: RequestLabels, rejected: boolean) => RequestLabels;
  /** Scores an answer; asked for successful requests only. */
  score: (span: Span, row: Pick<RequestRow, 'finishReason' | 'outputTokens' | 'reasoningTokens'>) => TurnScores;
}

/** Flattens a span, whose ids and times are good, to a row. Never throws, whatever its attributes hold. */
export function toRequest(span: Span, operation: string, { labels, score }: Flattening): RequestRow {
  const a = span.attributes;
  const duration = seconds(first(a, NAMES.duration)) ?? (span.end - span.start) / 1e9;
  const ending = endingOf(status(a), shortText(first(a, NAMES.errorType)), span.status);
  const { outcome } = ending;
  const stream = bool(first(a, NAMES.stream));
  const timeToFirstToken = within(seconds(first(a, NAMES.firstToken)), duration);
  const outputTokens = count(first(a, NAMES.outputTokens));
  const requestModel = shortText(first(a, NAMES.requestModel));
  const responseModel = shortText(first(a, NAMES.responseModel));
  const counted = {
    finishReason: firstText(first(a, NAMES.finish)),
    outputTokens,
    reasoningTokens: count(first(a, NAMES.reasoningTokens)),
  };
  const bounded = labels(
    {
      node: shortText(first(span.resource, ['host.name', 'service.instance.id'])) ?? UNKNOWN,
      engine: shortText(first(a, NAMES.engine)) ?? (a.has('gen_ai.latency.e2e') ? 'vllm' : UNKNOWN),
      model: requestModel ?? responseModel ?? UNKNOWN,
      endpoint: endpointOf(a),
      operation,
    },
    outcome === 'rejection',
  );
  return {
    traceId: span.traceId,
    spanId: span.spanId,
    // A double holds nanoseconds to 256 ns, which may fall just short of a whole millisecond.
    startedAt: new Date(Math.round(span.start / 1e6)),
    endedAt: new Date(Math.round(span.end / 1e6)),
    ...bounded,
    requestModel,
    responseModel,
    responseId: shortText(first(a, NAMES.responseId)),
    conversationId: shortText(first(a, NAMES.conversation)),
    service: shortText(span.resource.get('service.name')),
    stream,
    ...ending,
    duration,
    responseLatency: latency(outcome, stream, timeToFirstToken, duration),
    timeToFirstToken,
    timePerOutputToken: perToken(timeToFirstToken, duration, outputTokens),
    queueDuration: seconds(first(a, NAMES.queue)),
    inputTokens: count(first(a, NAMES.inputTokens)),
    ...counted,
    ...(outcome === 'ok' ? score(span, counted) : NO_SCORES),
  };
}

function status(attributes: Attributes): number | null {
  const code = count(first(attributes, NAMES.status));
  return code !== null && code >= 100 && code <= 599 ? code : null;
}

function endpointOf(attributes: Attributes): string {
  const address = shortText(attributes.get('server.address'));
  const port = count(attributes.get('server.port'));
  if (address === null) return UNKNOWN;
  return port === null ? address : `${address.includes(':') ? `[${address}]` : address}:${port}`;
}

/** A first token after the end is a mistake of the sender's; a thousandth is left to clocks and rounding. */
const within = (value: number | null, duration: number): number | null =>
  value === null || value > duration + 0.001 ? null : Math.min(value, duration);

/**
 * Seconds to the first byte of the answer. Of a stream that is its first token, and where that is not known nothing
 * is: a stream's duration would read as slowness. A failure has none; a cancellation does when its answer had begun.
 */
function latency(
  outcome: RequestRow['outcome'],
  stream: boolean | null,
  firstToken: number | null,
  duration: number,
): number | null {
  if (outcome === 'cancellation') return stream === false ? null : firstToken;
  if (outcome !== 'ok') return null;
  if (stream === false) return duration;
  return firstToken ?? (stream === null ? duration : null);
}

/** (duration - time to first token) / (output tokens - 1), as OpenTelemetry defines it. */
function perToken(firstToken: number | null, duration: number, outputTokens: number | null): number | null {
  if (firstToken === null || outputTokens === null || outputTokens < 2) return null;
  return (duration - firstToken) / (outputTokens - 1);
}

/** A value of an attribute, as plain data. */
export type AttributeValue = string | number | boolean | null | AttributeValue[] | { [key: string]: AttributeValue };

export type Attributes = Map<string, AttributeValue>;

/** Numbers of `SpanKind` that matter here. */
export const CLIENT = 3;
/** Number of `STATUS_CODE_ERROR`. */
export const STATUS_ERROR = 2;

/**
 * A span, alike from protobuf and JSON, with the attributes that requests are made of. Nothing of it is checked yet:
 * whatever a sender may write stands here.
 */
export interface Span {
  /** Lower-case hex digits; empty where the sender's are no such thing. */
  traceId: string;
  spanId: string;
  parentSpanId: string;
  kind: number;
  /** Nanoseconds since 1970, to 256 ns: what a double holds. NaN where the sender's is no number. */
  start: number;
  end: number;
  status: number;
  attributes: Attributes;
  /** Shared by all spans of one resource. */
  resource: Attributes;
}

/** Spans of one request; more are answered 413. */
export const MAX_SPANS = 100_000;
/** Attributes that are kept of a span or a resource; further ones are passed over, as OpenTelemetry's SDKs do. */
export const MAX_ATTRIBUTES = 512;
/** Entries of a list or map within an attribute. */
export const MAX_ENTRIES = 10_000;
/** Events of a span that are looked at. */
export const MAX_EVENTS = 64;
/** How deep lists and maps within an attribute are followed; what lies deeper reads as null. */
export const MAX_DEPTH = 8;

/** The body is no such message. Answered 400. */
export class MalformedError extends Error {
  override readonly name = 'MalformedError';
}

/** The body holds more than is taken at once. Answered 413. */
export class TooLargeError extends Error {
  override readonly name = 'TooLargeError';
}

const PREFIXES = ['gen_ai.', 'llm.', 'vigil.', 'error.type', 'http.', 'server.', 'session.id', 'output.value'];
const KINDS = new Set([
  'openinference.span.kind',
  'traceloop.span.kind',
  'traceloop.association.properties.session_id',
]);
/** What was asked is not measured, and is the bulk of a span: it is not even decoded. */
const UNWANTED = ['gen_ai.input.', 'gen_ai.prompt', 'gen_ai.system_instructions', 'gen_ai.tool.', 'llm.input_messages'];

/** Whether an attribute of a span may say something about a request. */
export function isWanted(key: string): boolean {
  if (KINDS.has(key)) return true;
  return PREFIXES.some((p) => key.startsWith(p)) && !UNWANTED.some((p) => key.startsWith(p));
}

const RESOURCE = new Set(['host.name', 'service.name', 'service.instance.id']);

/** Whether an attribute of a resource is used. */
export function isWantedOfResource(key: string): boolean {
  return RESOURCE.has(key);
}

/** Content may come as an event of its span. What the span itself says goes first. */
export function isContentEvent(name: string): boolean {
  return name.startsWith('gen_ai.');
}

const CONTENT_OF_EVENTS = ['gen_ai.output.messages', 'gen_ai.completion'];

export function isWantedOfEvent(key: string): boolean {
  return CONTENT_OF_EVENTS.includes(key);
}

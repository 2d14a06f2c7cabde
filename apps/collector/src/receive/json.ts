import {
  isContentEvent,
  isWanted,
  isWantedOfEvent,
  isWantedOfResource,
  MalformedError,
  MAX_ATTRIBUTES,
  MAX_DEPTH,
  MAX_ENTRIES,
  MAX_EVENTS,
  MAX_SPANS,
  STATUS_ERROR,
  TooLargeError,
  CLIENT,
  type Attributes,
  type AttributeValue,
  type Span,
} from './span.js';

type Json = Record<string, unknown>;

/**
 * Reads an `ExportTraceServiceRequest` in OTLP's JSON: lowerCamelCase names, ids in hex, 64-bit numbers as text or
 * numbers. Unknown fields are passed over.
 *
 * @throws MalformedError where it is no JSON object with lists where lists belong; TooLargeError beyond `MAX_SPANS`
 */
export function decodeJson(body: Uint8Array): Span[] {
  let parsed: unknown;
  try {
    parsed = JSON.parse(Buffer.from(body.buffer, body.byteOffset, body.byteLength).toString('utf8'));
  } catch (error) {
    throw new MalformedError('The body is not JSON.', { cause: error });
  }
  const spans: Span[] = [];
  for (const ofResource of list(object(parsed, 'the body').resourceSpans, 'resourceSpans')) {
    const { resource, scopeSpans } = object(ofResource, 'an entry of resourceSpans');
    const attributes = readAttributes(isObject(resource) ? resource.attributes : undefined, isWantedOfResource);
    for (const ofScope of list(scopeSpans, 'scopeSpans'))
      for (const one of list(object(ofScope, 'an entry of scopeSpans').spans, 'spans')) {
        if (spans.length === MAX_SPANS) throw new TooLargeError(`More than ${MAX_SPANS} spans in one request.`);
        spans.push(span(object(one, 'an entry of spans'), attributes));
      }
  }
  return spans;
}

function span(json: Json, resource: Attributes): Span {
  const attributes = readAttributes(json.attributes, isWanted);
  for (const event of Array.isArray(json.events) ? json.events.slice(0, MAX_EVENTS) : []) {
    if (!isObject(event) || typeof event.name !== 'string' || !isContentEvent(event.name)) continue;
    for (const [key, value] of readAttributes(event.attributes, isWantedOfEvent))
      if (!attributes.has(key)) attributes.set(key, value);
  }
  const status = isObject(json.status) ? json.status.code : undefined;
  return {
    traceId: hex(json.traceId),
    spanId: hex(json.spanId),
    parentSpanId: hex(json.parentSpanId),
    kind: json.kind === 'SPAN_KIND_CLIENT' ? CLIENT : typeof json.kind === 'number' ? json.kind : 0,
    start: nanoseconds(json.startTimeUnixNano),
    end: nanoseconds(json.endTimeUnixNano),
    status: status === 'STATUS_CODE_ERROR' ? STATUS_ERROR : typeof status === 'number' ? status : 0,
    attributes,
    resource,
  };
}

function readAttributes(json: unknown, wanted: (key: string) => boolean): Attributes {
  const attributes: Attributes = new Map();
  if (!Array.isArray(json)) return attributes;
  for (const pair of json as unknown[]) {
    if (!isObject(pair) || typeof pair.key !== 'string' || !isObject(pair.value) || !wanted(pair.key)) continue;
    if (attributes.size >= MAX_ATTRIBUTES && !attributes.has(pair.key)) continue;
    attributes.set(pair.key, anyValue(pair.value, 0));
  }
  return attributes;
}

function anyValue(json: Json, depth: number): AttributeValue {
  if (typeof json.stringValue === 'string') return json.stringValue;
  if (typeof json.boolValue === 'boolean') return json.boolValue;
  if (json.intValue !== undefined) return number(json.intValue);
  if (json.doubleValue !== undefined) return number(json.doubleValue);
  if (isObject(json.arrayValue))
    return entries(json.arrayValue, depth).map((v) => (isObject(v) ? anyValue(v, depth + 1) : null));
  if (isObject(json.kvlistValue)) {
    const map = new Map<string, AttributeValue>();
    for (const pair of entries(json.kvlistValue, depth))
      if (isObject(pair) && typeof pair.key === 'string' && isObject(pair.value))
        map.set(pair.key, anyValue(pair.value, depth + 1));
    return Object.fromEntries(map);
  }
  return null;
}

function entries({ values }: Json, depth: number): unknown[] {
  return depth < MAX_DEPTH && Array.isArray(values) ? values.slice(0, MAX_ENTRIES) : [];
}

const isObject = (value: unknown): value is Json =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

function object(value: unknown, what: string): Json {
  if (!isObject(value)) throw new MalformedError(`${what[0]!.toUpperCase()}${what.slice(1)} is not a JSON object.`);
  return value;
}

/** A list that is left out is an empty one. */
function list(value: unknown, what: string): unknown[] {
  if (value === undefined || value === null) return [];
  if (!Array.isArray(value)) throw new MalformedError(`"${what}" is not a list.`);
  return value;
}

function number(value: unknown): number {
  if (typeof value === 'number') return value;
  return typeof value === 'string' && value.trim() !== '' ? Number(value) : Number.NaN;
}

function nanoseconds(value: unknown): number {
  return value === undefined ? 0 : number(value);
}

const hex = (value: unknown): string =>
  typeof value === 'string' && /^(?:[0-9a-f]{2}){1,16}$/i.test(value) ? value.toLowerCase() : '';

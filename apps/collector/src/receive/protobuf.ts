import protobuf from 'protobufjs/minimal.js';
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
  TooLargeError,
  type Attributes,
  type AttributeValue,
  type Span,
} from './span.js';

type Reader = protobuf.Reader;

const VARINT = 0;
const FIXED64 = 1;
const BYTES = 2;

/**
 * Reads an `ExportTraceServiceRequest` field by field, straight into spans, and only what is wanted: what it costs is
 * bounded by the body's size, whatever stands in it.
 *
 * @throws MalformedError where it is no such message; TooLargeError beyond `MAX_SPANS`
 */
export function decodeProtobuf(body: Uint8Array): Span[] {
  const spans: Span[] = [];
  try {
    message(new protobuf.Reader(body), body.length, {
      1: [BYTES, (r, end) => resourceSpans(r, end, spans)],
    });
  } catch (error) {
    if (error instanceof TooLargeError) throw error;
    throw new MalformedError('The body is not an ExportTraceServiceRequest in protobuf.', { cause: error });
  }
  return spans;
}

/** By field number: the wire type that is expected, and what to do. A field of another type is passed over. */
type Fields = Readonly<Record<number, readonly [wire: number, read: (reader: Reader, end: number) => void]>>;

/** Visits the fields of one message; `end` is where it ends in the buffer. */
function message(reader: Reader, end: number, fields: Fields): void {
  while (reader.pos < end) {
    const tag = reader.uint32();
    const wire = tag & 7;
    const field = fields[tag >>> 3];
    if (tag >>> 3 === 0) throw new MalformedError('field number 0');
    if (wire === BYTES) {
      const length = reader.uint32();
      const stop = reader.pos + length;
      if (stop > end) throw new MalformedError('a field is longer than its message');
      if (field?.[0] === BYTES) field[1](reader, stop);
      reader.pos = stop;
    } else if (field?.[0] === wire) field[1](reader, end);
    else reader.skipType(wire);
    if (reader.pos > end) throw new MalformedError('a field is longer than its message');
  }
}

function resourceSpans(reader: Reader, end: number, spans: Span[]): void {
  const resource: Attributes = new Map();
  message(reader, end, {
    1: [BYTES, (r, stop) => message(r, stop, { 1: attributeField(resource, isWantedOfResource) })],
    2: [
      BYTES,
      (r, stop) =>
        message(r, stop, {
          2: [
            BYTES,
            (r2, stop2) => {
              if (spans.length === MAX_SPANS) throw new TooLargeError(`More than ${MAX_SPANS} spans in one request.`);
              spans.push(span(r2, stop2, resource));
            },
          ],
        }),
    ],
  });
}

function span(reader: Reader, end: number, resource: Attributes): Span {
  const attributes: Attributes = new Map();
  const ofEvents: Attributes = new Map();
  const result: Span = {
    traceId: '',
    spanId: '',
    parentSpanId: '',
    kind: 0,
    start: 0,
    end: 0,
    status: 0,
    attributes,
    resource,
  };
  let events = 0;
  message(reader, end, {
    1: [BYTES, (r, stop) => (result.traceId = hex(r, stop))],
    2: [BYTES, (r, stop) => (result.spanId = hex(r, stop))],
    4: [BYTES, (r, stop) => (result.parentSpanId = hex(r, stop))],
    6: [VARINT, (r) => (result.kind = r.int32())],
    7: [FIXED64, (r) => (result.start = fixed64(r))],
    8: [FIXED64, (r) => (result.end = fixed64(r))],
    9: attributeField(attributes, isWanted),
    11: [
      BYTES,
      (r, stop) => {
        if (events++ < MAX_EVENTS) event(r, stop, ofEvents);
      },
    ],
    15: [BYTES, (r, stop) => message(r, stop, { 3: [VARINT, (r2) => (result.status = r2.int32())] })],
  });
  for (const [key, value] of ofEvents) if (!attributes.has(key)) attributes.set(key, value);
  return result;
}

function event(reader: Reader, end: number, into: Attributes): void {
  let name = '';
  const attributes: Attributes = new Map();
  message(reader, end, {
    2: [BYTES, (r, stop) => (name = text(r, stop))],
    3: attributeField(attributes, isWantedOfEvent),
  });
  if (isContentEvent(name)) for (const [key, value] of attributes) into.set(key, value);
}

/** A repeated KeyValue. Its value is decoded only where its key is wanted; the later of two equal keys counts. */
function attributeField(into: Attributes, wanted: (key: string) => boolean): Fields[number] {
  return [
    BYTES,
    (reader, end) => {
      const { key, value } = keyValue(reader, end);
      if (value === undefined || !wanted(key) || (into.size >= MAX_ATTRIBUTES && !into.has(key))) return;
      reader.pos = value[0];
      into.set(key, anyValue(reader, value[1], 0));
    },
  ];
}

function keyValue(reader: Reader, end: number): { key: string; value: readonly [number, number] | undefined } {
  let key = '';
  let value: readonly [number, number] | undefined;
  message(reader, end, {
    1: [BYTES, (r, stop) => (key = text(r, stop))],
    2: [BYTES, (r, stop) => (value = [r.pos, stop])],
  });
  return { key, value };
}

function anyValue(reader: Reader, end: number, depth: number): AttributeValue {
  let result: AttributeValue = null;
  message(reader, end, {
    1: [BYTES, (r, stop) => (result = text(r, stop))],
    2: [VARINT, (r) => (result = r.bool())],
    3: [VARINT, (r) => (result = Number(r.int64()))],
    4: [FIXED64, (r) => (result = r.double())],
    5: [
      BYTES,
      (r, stop) => {
        const list: AttributeValue[] = [];
        if (depth < MAX_DEPTH)
          message(r, stop, {
            1: [
              BYTES,
              (r2, stop2) => {
                if (list.length < MAX_ENTRIES) list.push(anyValue(r2, stop2, depth + 1));
              },
            ],
          });
        result = list;
      },
    ],
    6: [
      BYTES,
      (r, stop) => {
        const map = new Map<string, AttributeValue>();
        if (depth < MAX_DEPTH)
          message(r, stop, {
            1: [
              BYTES,
              (r2, stop2) => {
                const { key, value } = keyValue(r2, stop2);
                if (value === undefined || map.size >= MAX_ENTRIES) return;
                r2.pos = value[0];
                map.set(key, anyValue(r2, value[1], depth + 1));
              },
            ],
          });
        result = Object.fromEntries(map);
      },
    ],
  });
  return result;
}

function text(reader: Reader, end: number): string {
  const bytes = reader.buf.subarray(reader.pos, end);
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8');
}

/** An id is 8 or 16 bytes; what is much longer is none, and not worth a string. */
function hex(reader: Reader, end: number): string {
  if (end - reader.pos > 16) return '';
  const bytes = reader.buf.subarray(reader.pos, end);
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('hex');
}

function fixed64(reader: Reader): number {
  const low = reader.fixed32();
  return reader.fixed32() * 2 ** 32 + low;
}

import { describe, expect, it } from 'vitest';
import { chatSpan, jsonBody, messages, protobufBody, random, toOtlp } from '../testing.js';
import { scoreSpan } from '../score/score.js';
import { requestsAmong, toRequest } from './genai.js';
import { decodeJson } from './json.js';
import { decodeProtobuf } from './protobuf.js';
import { faultOf } from './receiver.js';
import { MalformedError, MAX_ATTRIBUTES, MAX_DEPTH, MAX_SPANS, TooLargeError, type Span } from './span.js';

const END = Date.parse('2026-03-01T10:00:00.125Z');
const FULL = toOtlp(
  [
    chatSpan(
      {
        end: END,
        parentSpanId: '00000000000000ff',
        status: 2,
        events: [
          { name: 'gen_ai.content.completion', attributes: { 'gen_ai.completion': 'from an event' } },
          { name: 'exception', attributes: { 'gen_ai.completion': 'from elsewhere' } },
        ],
      },
      {
        ...messages('理由', 'answer'),
        'llm.output_messages': [{ message: { content: 'x', list: [1, 2.5, true] } }],
        'gen_ai.usage.cost': 0.5,
        'gen_ai.request.seed': -42,
        'gen_ai.request.big': 9_007_199_254_740_991,
        'gen_ai.input.messages': 'not wanted',
        'app.secret': 'not wanted',
      },
    ),
    chatSpan({ end: END, kind: 3 }),
  ],
  { 'host.name': 'node-1', 'os.type': 'linux' },
);

/** What the receiver does with a span, whatever it holds. */
function work(spans: readonly Span[]): void {
  const good = spans.filter((span) => faultOf(span, 0, Date.now()) === undefined);
  for (const { span, operation } of requestsAmong(good)) {
    const row = toRequest(span, operation, { labels: (labels) => labels, score: scoreSpan });
    for (const [key, value] of Object.entries(row)) {
      if (typeof value === 'number') expect(Number.isFinite(value), key).toBe(true);
      if (typeof value === 'string') expect(value.length, key).toBeLessThanOrEqual(210);
      if (value instanceof Date) expect(Number.isNaN(value.getTime()), key).toBe(false);
    }
  }
}

/** Only the errors that are answered 400 and 413 may come. */
function decodes(decode: () => Span[]): boolean {
  try {
    work(decode());
    return true;
  } catch (error) {
    if (error instanceof MalformedError || error instanceof TooLargeError) return false;
    throw error;
  }
}

describe('decoding', () => {
  it('gives the same spans from protobuf and from JSON', () => {
    const spans = decodeProtobuf(protobufBody(FULL));
    expect(spans).toEqual(decodeJson(jsonBody(FULL)));
    const [first, second] = spans;
    expect(first).toMatchObject({
      traceId: FULL.resourceSpans[0]!.scopeSpans[0]!.spans[0]!.traceId,
      parentSpanId: '00000000000000ff',
      kind: 2,
      status: 2,
      start: (END - 2000) * 1e6,
      end: END * 1e6,
    });
    expect(first!.attributes.get('gen_ai.completion')).toBe('from an event');
    expect(first!.attributes.get('llm.output_messages')).toEqual([{ message: { content: 'x', list: [1, 2.5, true] } }]);
    expect(first!.attributes.get('gen_ai.request.seed')).toBe(-42);
    expect(first!.attributes.get('gen_ai.request.big')).toBe(9_007_199_254_740_991);
    expect([...first!.attributes.keys()]).not.toContain('gen_ai.input.messages');
    expect([...first!.attributes.keys()]).not.toContain('app.secret');
    expect([...first!.resource]).toEqual([
      ['service.name', 'test'],
      ['host.name', 'node-1'],
    ]);
    expect(second!.resource).toBe(first!.resource);
  });

  it('takes ids in capitals, and numbers of 64 bits as text or number', () => {
    const span = { ...FULL.resourceSpans[0]!.scopeSpans[0]!.spans[1]! };
    const like = (change: object) =>
      decodeJson(
        Buffer.from(JSON.stringify({ resourceSpans: [{ scopeSpans: [{ spans: [{ ...span, ...change }] }] }] })),
      )[0]!;
    expect(like({ traceId: 'ABCDEF'.padEnd(32, '0') }).traceId).toBe('abcdef'.padEnd(32, '0'));
    expect(like({ endTimeUnixNano: END * 1e6 }).end).toBe(END * 1e6);
    expect(like({ status: { code: 'STATUS_CODE_ERROR' }, kind: 'SPAN_KIND_CLIENT' })).toMatchObject({
      status: 2,
      kind: 3,
    });
    expect(like({ traceId: 'q0KgsV7dT0yYKlOWGUM4ow==' }).traceId).toBe('');
  });

  it.each([null, 1, 'x', [], {}, { values: 1 }, { stringValue: 5 }, { arrayValue: { values: [null, 3] } }])(
    'is not led astray by %j where something else belongs',
    (odd) => {
      const span = FULL.resourceSpans[0]!.scopeSpans[0]!.spans[0]!;
      for (const key of Object.keys(span)) {
        const body = JSON.stringify({ resourceSpans: [{ scopeSpans: [{ spans: [{ ...span, [key]: odd }] }] }] });
        expect(decodes(() => decodeJson(Buffer.from(body)))).toBe(true);
      }
      const attributes = span.attributes.map(({ key }) => ({ key, value: odd }));
      const body = JSON.stringify({ resourceSpans: [{ scopeSpans: [{ spans: [{ ...span, attributes }] }] }] });
      expect(decodes(() => decodeJson(Buffer.from(body)))).toBe(true);
      const resource = JSON.stringify({ resourceSpans: [{ resource: odd, scopeSpans: [] }] });
      expect(decodes(() => decodeJson(Buffer.from(resource)))).toBe(true);
    },
  );
});

describe('bounds', () => {
  it('hold against deep nesting', () => {
    const deep = 200_000;
    const lists = '{"arrayValue":{"values":['.repeat(deep) + ']}}'.repeat(deep);
    const json = jsonBody(toOtlp([chatSpan({}, { 'gen_ai.response.finish_reasons': 'HERE' })])).toString();
    expect(decodes(() => decodeJson(Buffer.from(json.replace('{"stringValue":"HERE"}', lists))))).toBe(true);
    expect(decodes(() => decodeJson(Buffer.from('['.repeat(5_000_000))))).toBe(false);

    let value = Buffer.from([0x0a, 1, 0x78]);
    const field = (tag: number, bytes: Buffer) => {
      const length: number[] = [];
      for (let n = bytes.length; ; n >>>= 7) {
        length.push(n > 127 ? (n & 127) | 128 : n);
        if (n <= 127) break;
      }
      return Buffer.concat([Buffer.from([tag]), Buffer.from(length), bytes]);
    };
    for (let i = 0; i < 3_000; i++) value = field(0x2a, field(0x0a, value));
    const attribute = field(0x4a, Buffer.concat([field(0x0a, Buffer.from('gen_ai.x')), field(0x12, value)]));
    const body = field(0x0a, field(0x12, field(0x12, attribute)));
    const [span] = decodeProtobuf(body);
    expect(JSON.stringify(span!.attributes.get('gen_ai.x'))).toBe(
      '['.repeat(MAX_DEPTH + 1) + ']'.repeat(MAX_DEPTH + 1),
    );
    // Groups, long out of use, nest too.
    expect(decodes(() => decodeProtobuf(Buffer.alloc(1_000_000, 0x0b)))).toBe(false);
  });

  it('hold against many attributes and many spans', () => {
    const many = Object.fromEntries(Array.from({ length: 5000 }, (_, i) => [`gen_ai.a${i}`, i]));
    const otlp = toOtlp([chatSpan({}, many)]);
    for (const [span] of [decodeProtobuf(protobufBody(otlp)), decodeJson(jsonBody(otlp))])
      expect(span!.attributes.size).toBe(MAX_ATTRIBUTES);
    // Two bytes a span: the cheapest way to ask for much memory.
    const spans = Buffer.alloc(2 * (MAX_SPANS + 1)).map((_, i) => (i % 2 === 0 ? 0x12 : 0));
    const length = Buffer.from([(spans.length & 127) | 128, ((spans.length >> 7) & 127) | 128, spans.length >> 14]);
    const scope = Buffer.concat([Buffer.from([0x12]), length, spans]);
    const outer = Buffer.from([(scope.length & 127) | 128, ((scope.length >> 7) & 127) | 128, scope.length >> 14]);
    expect(() => decodeProtobuf(Buffer.concat([Buffer.from([0x0a]), outer, scope]))).toThrow(TooLargeError);
    const json = `{"resourceSpans":[{"scopeSpans":[{"spans":[${'{},'.repeat(MAX_SPANS)}{}]}]}]}`;
    expect(() => decodeJson(Buffer.from(json))).toThrow(TooLargeError);
  });
});

describe('mutations of a good export', () => {
  const ROUNDS = 4000;

  /** A few bytes changed, cut out, doubled or put in. */
  function mutate(good: Buffer, next: () => number): Buffer {
    let bytes = Buffer.from(good);
    for (let n = 1 + Math.floor(next() * 4); n > 0; n--) {
      const at = Math.floor(next() * bytes.length);
      const length = Math.floor(next() * 8);
      const kind = Math.floor(next() * 5);
      if (kind === 0) bytes[at] = Math.floor(next() * 256);
      else if (kind === 1) bytes[at]! ^= 1 << Math.floor(next() * 8);
      else if (kind === 2) bytes = Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + length)]);
      else if (kind === 3) bytes = Buffer.concat([bytes.subarray(0, at + length), bytes.subarray(at)]);
      else bytes = bytes.subarray(0, Math.max(at, 1));
    }
    return bytes;
  }

  it.each([
    ['protobuf', protobufBody(FULL), decodeProtobuf],
    ['JSON', jsonBody(FULL), decodeJson],
  ] as const)('in %s give spans or a plain refusal', (_, good, decode) => {
    const next = random(7);
    let taken = 0;
    for (let round = 0; round < ROUNDS; round++) if (decodes(() => decode(mutate(good, next)))) taken += 1;
    // Both ways were gone.
    expect(taken).toBeGreaterThan(ROUNDS / 100);
    expect(taken).toBeLessThan(ROUNDS);
  });

  it('of JSON by its values give spans or a plain refusal', () => {
    const next = random(8);
    const odd = [null, -1, 1e308, '', 'NaN', '1e999', [], {}, [[]], true, '\ud800', 'x'.repeat(1000), 2 ** 53];
    let taken = 0;
    for (let round = 0; round < ROUNDS; round++) {
      const chance = 0.2 * next() ** 3;
      const text = JSON.stringify(FULL, (_, value: unknown) =>
        next() < chance ? structuredClone(odd[Math.floor(next() * odd.length)]) : value,
      );
      if (decodes(() => decodeJson(Buffer.from(text)))) taken += 1;
    }
    expect(taken).toBeGreaterThan(ROUNDS / 100);
    expect(taken).toBeLessThan(ROUNDS);
  });
});

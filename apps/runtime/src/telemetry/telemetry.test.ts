import { describe, expect, it } from 'vitest';
import { inputMessages, outputMessages } from './content.js';
import { mkdtemp, rm, utimes } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { asKilled, OpenRecords } from './open-records.js';
import { askedDelay, retryDelay } from './shipper.js';
import { parseTraceparent } from './traceparent.js';

describe("the caller's span", () => {
  const id = '0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331';

  it('is read from traceparent, of this and of later versions', () => {
    const context = { traceId: id.slice(0, 32), spanId: id.slice(33), isRemote: true };
    expect(parseTraceparent(`00-${id}-01`, undefined)).toEqual({ ...context, traceFlags: 1 });
    expect(parseTraceparent(`cc-${id}-00-more`, undefined)).toEqual({ ...context, traceFlags: 0 });
    expect(parseTraceparent(`00-${id}-01`, 'a=1,b=2')?.traceState?.serialize()).toBe('a=1,b=2');
  });

  it.each([
    undefined,
    '',
    'nonsense',
    `00-${id}`,
    `ff-${id}-01`,
    `00-${id}-01-more`,
    `00-${id.toUpperCase()}-01`,
    `00-${'0'.repeat(32)}-b7ad6b7169203331-01`,
    `00-0af7651916cd43dd8448eb211c80319c-${'0'.repeat(16)}-01`,
    ['00', id],
  ])('is not taken from %j', (header) => {
    expect(parseTraceparent(header, undefined)).toBeUndefined();
  });
});

describe('message content', () => {
  it('is as the GenAI conventions have it', () => {
    expect(JSON.parse(inputMessages([{ role: 'user', content: 'Hi' }]))).toEqual([
      { role: 'user', parts: [{ type: 'text', content: 'Hi' }] },
    ]);
    const answers = [
      { reasoning: 'r', content: '', finishReason: 'length' },
      { reasoning: '', content: 'c', finishReason: 'stop' },
    ];
    expect(JSON.parse(outputMessages(answers))).toEqual([
      { role: 'assistant', parts: [{ type: 'reasoning', content: 'r' }], finish_reason: 'length' },
      { role: 'assistant', parts: [{ type: 'text', content: 'c' }], finish_reason: 'stop' },
    ]);
    expect(JSON.parse(inputMessages([{ role: 'tool', content: '21 °C' }]))).toEqual([
      { role: 'tool', parts: [{ type: 'tool_call_response', response: '21 °C' }] },
    ]);
  });

  it('of a hundred thousand messages are the newest', () => {
    const messages = Array.from({ length: 100_000 }, (_, i) => ({ role: 'user' as const, content: String(i % 10) }));
    const kept = JSON.parse(inputMessages(messages, 4096)) as { parts: { content: string }[] }[];
    expect(kept.length).toBeGreaterThan(10);
    expect(kept.at(-1)!.parts[0]!.content).toBe('9');
  });

  it.each([64, 100, 1000, 5000])('stays valid JSON of at most %d bytes; the newest is kept', (limit) => {
    const messages = Array.from({ length: 50 }, (_, i) => ({
      role: 'user' as const,
      content: `${'🐳"\n'.repeat(40)} the end of ${i}`,
    }));
    const json = inputMessages(messages, limit);
    expect(Buffer.byteLength(json)).toBeLessThanOrEqual(limit);
    const kept = JSON.parse(json) as { parts: { content: string }[] }[];
    expect(kept.length).toBeGreaterThan(0);
    expect('the end of 49').toContain(kept.at(-1)!.parts[0]!.content.slice(-1));
    expect(json).not.toMatch(/\\ud[89ab]/i);
  });

  it('that fits nowhere is left out', () => {
    expect(inputMessages([{ role: 'user', content: 'x'.repeat(100) }], 10)).toBe('[]');
  });
});

describe('what was under way when the process was killed', () => {
  const record = (start: string) =>
    JSON.stringify({
      resourceSpans: [
        {
          scopeSpans: [
            {
              spans: [
                {
                  startTimeUnixNano: start,
                  endTimeUnixNano: '0',
                  status: { code: 0 },
                  attributes: [{ key: 'a', value: {} }],
                },
              ],
            },
          ],
        },
      ],
    });
  const span = (bytes: Uint8Array | undefined) =>
    (JSON.parse(Buffer.from(bytes!).toString()) as { resourceSpans: any[] }).resourceSpans[0].scopeSpans[0].spans[0];

  it('becomes a failure that ended when it was last seen, never before it began', () => {
    expect(span(asKilled(record('1700000000000000000'), 1_700_000_002_500))).toEqual({
      startTimeUnixNano: '1700000000000000000',
      endTimeUnixNano: '1700000002500000000',
      status: { code: 2, message: 'the runtime was ended while it answered' },
      attributes: [
        { key: 'a', value: {} },
        { key: 'error.type', value: { stringValue: 'process_killed' } },
      ],
    });
    expect(span(asKilled(record('1700000000000000000'), 1_600_000_000_000)).endTimeUnixNano).toBe(
      '1700000000000000000',
    );
  });

  it('is dated to the last sign of life of the process, not to its own start', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'vigil-open-'));
    const records = await OpenRecords.open(folder);
    const [start, alive] = [new Date(1_700_000_000_000), new Date(1_700_000_600_000)];
    await records.write('a', Buffer.from(record('1700000000000000000')));
    await utimes(join(folder, 'a.json'), start, start);
    await records.beat(alive);
    await records.beat(alive);
    const left = await records.leftovers();
    expect(left.map(({ spanId }) => spanId)).toEqual(['a']);
    expect(span(left[0]!.request).endTimeUnixNano).toBe('1700000600000000000');
    await rm(folder, { recursive: true });
  });

  it.each(['', '{', 'null', '{"resourceSpans":[]}', '{"resourceSpans":[{"scopeSpans":[{"spans":[{}]}]}]}'])(
    'is left out where its note is damaged: %s',
    (text) => {
      expect(asKilled(text, 0)).toBeUndefined();
    },
  );
});

describe('pauses', () => {
  it('double up to a bound', () => {
    expect([0, 1, 2, 5, 100].map(retryDelay)).toEqual([250, 500, 1000, 5000, 5000]);
  });

  it.each([
    [null, undefined],
    ['', undefined],
    ['soon', undefined],
    ['3', 3000],
    ['3600', 60_000],
    ['Thu, 01 Jan 1970 00:00:05 GMT', 4000],
    ['Wed, 01 Jan 1969 00:00:00 GMT', 0],
  ])('Retry-After: %s', (header, ms) => {
    expect(askedDelay(header, 1000)).toBe(ms);
  });
});

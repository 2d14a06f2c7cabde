import { describe, expect, it } from 'vitest';
import { FrameTooLargeError, SseParser } from './sse.js';

const TEXT =
  ': keep-alive\n\ndata: {"a":"思考 🐳"}\n\ndata:{"b":1}\r\n\r\nevent: x\ndata: one\ndata:two\n\nid: 7\n\n\n\ndata: [DONE]\n\n';
const DATA = [undefined, '{"a":"思考 🐳"}', '{"b":1}', 'one\ntwo', undefined, undefined, '[DONE]'];

describe('server-sent events', () => {
  it('are the same, wherever the network cuts them', () => {
    const bytes = Buffer.from(TEXT);
    for (let cut = 0; cut <= bytes.length; cut++) {
      const parser = new SseParser();
      const frames = [...parser.push(bytes.subarray(0, cut)), ...parser.push(bytes.subarray(cut))];
      expect(frames.map(({ data }) => data).filter((d) => d !== undefined)).toEqual(
        DATA.filter((d) => d !== undefined),
      );
      expect(Buffer.concat(frames.map(({ raw }) => raw)).toString()).toBe(TEXT);
      expect(parser.end()).toBeUndefined();
    }
  });

  it('are the same byte by byte', () => {
    const parser = new SseParser();
    const frames = [...Buffer.from(TEXT)].flatMap((byte) => parser.push(Buffer.from([byte])));
    expect(Buffer.concat(frames.map(({ raw }) => raw)).toString()).toBe(TEXT);
  });

  it('may lack their last blank line', () => {
    for (const end of ['', '\n']) {
      const parser = new SseParser();
      expect(parser.push(Buffer.from(`data: [DONE]${end}`))).toEqual([]);
      const frame = parser.end();
      expect(frame?.data).toBe('[DONE]');
      expect(frame?.raw.toString()).toBe('data: [DONE]\n\n');
    }
  });

  it('that do not end are given up at the limit, whether they come at once or bit by bit', () => {
    expect(() => new SseParser(100).push(Buffer.from('x'.repeat(101)))).toThrow(FrameTooLargeError);
    expect(() => new SseParser(100).push(Buffer.from(`${'x'.repeat(101)}\n\n`))).toThrow(FrameTooLargeError);
    const parser = new SseParser(100);
    let pushed = 0;
    expect(() => {
      for (; pushed < 1000; pushed++) parser.push(Buffer.from('x'));
    }).toThrow(FrameTooLargeError);
    expect(pushed).toBe(100);
  });

  it('may be an error that is none of theirs, as llama-server’s was', () => {
    const [frame] = new SseParser().push(Buffer.from('error: {"code":500,"message":"no"}\n\n'));
    expect(frame!.data).toBe('{"error":{"code":500,"message":"no"}}');
  });

  it('with bytes that are no character are passed on as characters', () => {
    const bytes = Buffer.concat([Buffer.from('data: "a'), Buffer.from([0xe6, 0x80]), Buffer.from('"\n\n')]);
    const [frame] = new SseParser().push(bytes);
    expect(frame!.data).toBe('"a\ufffd"');
    expect(frame!.raw.toString()).toBe('data: "a\ufffd"\n\n');
  });
});

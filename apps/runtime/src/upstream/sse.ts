import { isUtf8 } from 'node:buffer';

/** One event of a stream, or a comment. */
export interface Frame {
  /** As it came, its closing blank line included; always whole characters. */
  raw: Buffer;
  /** What its `data:` lines say; undefined for a comment or an event without data. */
  data: string | undefined;
}

/** An event greater than this is no token. */
export const FRAME_MAX = 2 ** 20;

export class FrameTooLargeError extends Error {
  override readonly name = 'FrameTooLargeError';
}

const [LF, CR] = [10, 13];
const NONE = Buffer.alloc(0);

/**
 * Parts a byte stream into events (https://html.spec.whatwg.org/multipage/server-sent-events.html), wherever the network
 * cut it. Lines end with LF or CRLF. Holds no more than one unfinished event.
 */
export class SseParser {
  private pending: Buffer = NONE;

  constructor(private readonly limit = FRAME_MAX) {}

  /**
   * Takes bytes and gives the events that are whole now.
   * @throws FrameTooLargeError when an event does not end
   */
  push(chunk: Buffer): Frame[] {
    const known = this.pending.length;
    const bytes = known === 0 ? chunk : Buffer.concat([this.pending, chunk]);
    const frames: Frame[] = [];
    let begin = 0;
    // An end may lie across the cut: CR LF CR are its longest beginning.
    for (let at = bytes.indexOf(LF, Math.max(known - 3, 0)); at >= 0; at = bytes.indexOf(LF, at + 1)) {
      const end = endAfter(bytes, at);
      if (end < 0) continue;
      if (end - begin > this.limit) throw new FrameTooLargeError();
      frames.push(toFrame(bytes.subarray(begin, end)));
      begin = end;
      at = end - 1;
    }
    if (bytes.length - begin > this.limit) throw new FrameTooLargeError();
    // A copy, so that a few left bytes do not keep a whole chunk.
    this.pending =
      begin === bytes.length ? NONE : begin === 0 && known > 0 ? bytes : Buffer.from(bytes.subarray(begin));
    return frames;
  }

  /** What came after the last blank line, once nothing more comes; some servers leave out the last blank line. */
  end(): Frame | undefined {
    const rest = this.pending;
    this.pending = NONE;
    if (rest.toString('latin1').trim() === '') return undefined;
    return toFrame(Buffer.concat([rest, Buffer.from(rest.at(-1) === LF ? '\n' : '\n\n')]));
  }
}

/** The index after the blank line that follows the line which ends at `at`; -1 where none does. */
function endAfter(bytes: Buffer, at: number): number {
  if (bytes[at + 1] === LF) return at + 2;
  return bytes[at + 1] === CR && bytes[at + 2] === LF ? at + 3 : -1;
}

function toFrame(bytes: Buffer): Frame {
  const text = bytes.toString('utf8');
  const raw = isUtf8(bytes) ? bytes : Buffer.from(text);
  // Nearly every event is one line of data.
  if (text.startsWith('data:') && text.indexOf('\n') >= text.length - 3)
    return { raw, data: text.slice(text[5] === ' ' ? 6 : 5).trimEnd() };
  // llama-server's until 2025: an error that is no event of SSE's.
  if (text.startsWith('error:')) return { raw, data: `{"error":${text.slice('error:'.length).trim()}}` };
  let data: string | undefined;
  for (const line of text.split('\n')) {
    if (!line.startsWith('data:')) continue;
    const value = line.slice(line[5] === ' ' ? 6 : 5).replace(/\r$/, '');
    data = data === undefined ? value : `${data}\n${value}`;
  }
  return { raw, data };
}

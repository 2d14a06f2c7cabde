import { open, type FileHandle } from 'node:fs/promises';

/** Why a file is no GGUF file that can be loaded; the message goes on after the file's name. */
export class GgufError extends Error {
  override readonly name = 'GgufError';
}

export type GgufScalar = string | number | bigint | boolean;

export interface GgufHeader {
  version: number;
  tensors: number;
  /** Single values; of arrays only the length, under the key with `.length` behind it. */
  metadata: Map<string, GgufScalar>;
}

const STRING = 8;
const ARRAY = 9;
/** Bytes of the types that have a fixed length: u8 i8 u16 i16 u32 i32 f32 bool, and u64 i64 f64. */
const SIZES: Readonly<Record<number, number>> = { 0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8 };
const LONGEST_STRING = 16 * 2 ** 20;
const MOST_ENTRIES = 100_000;

/**
 * Reads the metadata of a GGUF file, without its tensors
 * (https://github.com/ggml-org/ggml/blob/master/docs/gguf.md).
 * @throws GgufError where it is none; file system errors as they are
 */
export async function readGgufHeader(path: string): Promise<GgufHeader> {
  const file = await open(path, 'r');
  try {
    return await parse(new Reader(file));
  } finally {
    await file.close();
  }
}

async function parse(reader: Reader): Promise<GgufHeader> {
  const magic = await reader.take(4).catch(() => undefined);
  if (magic?.toString('latin1') !== 'GGUF') throw new GgufError('is no GGUF file: it does not begin with "GGUF"');
  const version = await reader.u32();
  if (version < 2 || version > 3)
    throw new GgufError(`is a GGUF file of version ${version}; versions 2 and 3 are read`);
  const tensors = await reader.u64();
  const entries = await reader.u64();
  if (entries > MOST_ENTRIES) throw new GgufError('is a damaged GGUF file: its header names too many entries');
  const metadata = new Map<string, GgufScalar>();
  for (let i = 0; i < entries; i++) {
    const key = await reader.string();
    const type = await reader.u32();
    if (type === ARRAY) metadata.set(`${key}.length`, await skipArray(reader, 0));
    else metadata.set(key, type === STRING ? await reader.string() : await scalar(reader, type));
  }
  return { version, tensors, metadata };
}

async function scalar(reader: Reader, type: number): Promise<GgufScalar> {
  const size = SIZES[type];
  if (size === undefined) throw new GgufError(`is a damaged GGUF file: it names an unknown type of value, ${type}`);
  const bytes = await reader.take(size);
  if (type === 7) return bytes[0] !== 0;
  if (type === 6) return bytes.readFloatLE();
  if (type === 12) return bytes.readDoubleLE();
  if (type === 10) return bytes.readBigUInt64LE();
  if (type === 11) return bytes.readBigInt64LE();
  return type % 2 === 0 ? bytes.readUIntLE(0, size) : bytes.readIntLE(0, size);
}

/** @returns the array's length */
async function skipArray(reader: Reader, depth: number): Promise<number> {
  const type = await reader.u32();
  const length = await reader.u64();
  if (type === STRING) for (let i = 0; i < length; i++) await reader.skipString();
  else if (type === ARRAY && depth < 2) for (let i = 0; i < length; i++) await skipArray(reader, depth + 1);
  else if (SIZES[type] !== undefined) await reader.skip(length * SIZES[type]);
  else throw new GgufError(`is a damaged GGUF file: it names an unknown type of value, ${type}`);
  return length;
}

const CHUNK = 1 << 20;

/** Reads a file from its beginning, a chunk at a time. */
class Reader {
  private buffer = Buffer.alloc(0);
  private at = 0;
  private position = 0;

  constructor(private readonly file: FileHandle) {}

  async take(length: number): Promise<Buffer> {
    if (this.buffer.length - this.at < length) await this.fill(length);
    this.at += length;
    return this.buffer.subarray(this.at - length, this.at);
  }

  /** Steps over bytes without reading them. */
  async skip(length: number): Promise<void> {
    const held = this.buffer.length - this.at;
    if (length <= held) this.at += length;
    else {
      this.position += length - held;
      this.buffer = Buffer.alloc(0);
      this.at = 0;
    }
  }

  async u32(): Promise<number> {
    return (await this.take(4)).readUInt32LE();
  }

  async u64(): Promise<number> {
    const value = (await this.take(8)).readBigUInt64LE();
    if (value > BigInt(Number.MAX_SAFE_INTEGER)) throw new GgufError('is a damaged GGUF file: a length is absurd');
    return Number(value);
  }

  async string(): Promise<string> {
    return (await this.take(await this.stringLength())).toString('utf8');
  }

  async skipString(): Promise<void> {
    await this.skip(await this.stringLength());
  }

  private async stringLength(): Promise<number> {
    const length = await this.u64();
    if (length > LONGEST_STRING) throw new GgufError('is a damaged GGUF file: a text in it is absurdly long');
    return length;
  }

  private async fill(length: number): Promise<void> {
    const rest = this.buffer.subarray(this.at);
    const chunk = Buffer.alloc(Math.max(CHUNK, length));
    let read = 0;
    while (rest.length + read < length) {
      const { bytesRead } = await this.file.read(chunk, read, chunk.length - read, this.position);
      if (bytesRead === 0) throw new GgufError('is a damaged GGUF file: it ends within its header');
      read += bytesRead;
      this.position += bytesRead;
    }
    this.buffer = Buffer.concat([rest, chunk.subarray(0, read)]);
    this.at = 0;
  }
}

/** Sizes in bytes of GGUF's scalar types, by their numbers in the specification. */
const SCALAR_BYTES: Readonly<Record<number, number>> = {
  0: 1,
  1: 1,
  2: 2,
  3: 2,
  4: 4,
  5: 4,
  6: 4,
  7: 1,
  10: 8,
  11: 8,
  12: 8,
};
const STRING = 8;
const ARRAY = 9;
const U32 = 4;
const F32 = 6;
const ALIGNMENT = 32;

/** What is changed in a file's metadata; all else, the weights above all, stays byte for byte. */
export interface GgufEdit {
  /** Values of u32 keys, added where the file has none. */
  u32?: Readonly<Record<string, number>>;
  /** Values of f32 keys, likewise. */
  f32?: Readonly<Record<string, number>>;
  /** Texts of tokens, each with the one that it changes places with. */
  swapTokens?: readonly (readonly [string, string])[];
}

const TOKENS = 'tokenizer.ggml.tokens';

/**
 * A GGUF file with another metadata and the same weights. For files of the default alignment.
 * @throws Error where a token is not in the file
 */
export function editGguf(file: Uint8Array, { u32 = {}, f32 = {}, swapTokens = [] }: GgufEdit): Uint8Array {
  const from = Buffer.from(file.buffer, file.byteOffset, file.byteLength);
  const reader = new Reader(from, 8);
  const tensors = reader.u64();
  const keys = reader.u64();
  const metadata: Buffer[] = [];
  const wanted = new Map([
    ...Object.entries(u32).map(([key, value]) => [key, Buffer.concat([u32Bytes(U32), u32Bytes(value)])] as const),
    ...Object.entries(f32).map(([key, value]) => [key, Buffer.concat([u32Bytes(F32), f32Bytes(value)])] as const),
  ]);
  for (let i = 0; i < keys; i++) {
    const begin = reader.at;
    const key = reader.string();
    const value = reader.at;
    reader.skipValue();
    let bytes = from.subarray(begin, reader.at);
    const changed = wanted.get(key);
    if (changed) {
      bytes = Buffer.concat([from.subarray(begin, value), changed]);
      wanted.delete(key);
    } else if (key === TOKENS && swapTokens.length > 0) {
      // The type of the array and of its items, and their number.
      const head = from.subarray(begin, value + 16);
      bytes = Buffer.concat([head, ...swapped(readTokens(file), swapTokens).map(stringBytes)]);
    }
    metadata.push(bytes);
  }
  for (const [key, value] of wanted) metadata.push(Buffer.concat([stringBytes(key), value]));
  const infos = reader.at;
  for (let i = 0; i < tensors; i++) {
    reader.string();
    const dimensions = reader.u32();
    reader.at += 8 * dimensions + 12;
  }
  const start = Buffer.from(from.subarray(0, 24));
  start.writeBigUInt64LE(BigInt(metadata.length), 16);
  const head = Buffer.concat([start, ...metadata, from.subarray(infos, reader.at)]);
  return Buffer.concat([head, Buffer.alloc(aligned(head.length) - head.length), from.subarray(aligned(reader.at))]);
}

/** The texts of a file's tokens, as its tokenizer spells them. @throws Error where it has none */
export function readTokens(file: Uint8Array): string[] {
  const from = Buffer.from(file.buffer, file.byteOffset, file.byteLength);
  const reader = new Reader(from, 16);
  const keys = reader.u64();
  for (let i = 0; i < keys; i++) {
    if (reader.string() !== TOKENS) {
      reader.skipValue();
      continue;
    }
    reader.at += 8;
    return Array.from({ length: reader.u64() }, () => reader.string());
  }
  throw new Error(`The file lacks the key ${TOKENS}.`);
}

function swapped(tokens: string[], pairs: readonly (readonly [string, string])[]): string[] {
  for (const [one, other] of pairs) {
    const [a, b] = [tokens.indexOf(one), tokens.indexOf(other)];
    if (a < 0 || b < 0) throw new Error(`The tokenizer lacks ${a < 0 ? one : other}.`);
    tokens[a] = other;
    tokens[b] = one;
  }
  return tokens;
}

const aligned = (length: number): number => Math.ceil(length / ALIGNMENT) * ALIGNMENT;

function u32Bytes(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
}

function f32Bytes(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeFloatLE(value);
  return bytes;
}

function stringBytes(text: string): Buffer {
  const bytes = Buffer.from(text, 'utf8');
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(bytes.length));
  return Buffer.concat([length, bytes]);
}

class Reader {
  constructor(
    private readonly from: Buffer,
    public at: number,
  ) {}

  u32(): number {
    this.at += 4;
    return this.from.readUInt32LE(this.at - 4);
  }
  u64(): number {
    this.at += 8;
    return Number(this.from.readBigUInt64LE(this.at - 8));
  }
  string(): string {
    const length = this.u64();
    this.at += length;
    return this.from.toString('utf8', this.at - length, this.at);
  }
  /** Its type, and what stands there of that type. */
  skipValue(): void {
    const type = this.u32();
    if (type !== ARRAY) return this.skip(type);
    const item = this.u32();
    for (let left = this.u64(); left > 0; left--) this.skip(item);
  }
  private skip(type: number): void {
    if (type === STRING) this.string();
    else if (SCALAR_BYTES[type] !== undefined) this.at += SCALAR_BYTES[type];
    else throw new Error(`A value has the unknown type ${type}.`);
  }
}

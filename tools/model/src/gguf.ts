import { blockLength, encodeTensor, tensorBytes, type TensorType } from './tensor-types.js';

/** A metadata value with the type under which GGUF stores it. */
export type GgufValue =
  | { type: 'u32'; value: number }
  | { type: 'i32'; value: number }
  | { type: 'f32'; value: number }
  | { type: 'u64'; value: number }
  | { type: 'bool'; value: boolean }
  | { type: 'string'; value: string }
  | { type: 'strings'; value: readonly string[] }
  | { type: 'i32s'; value: readonly number[] }
  | { type: 'f32s'; value: readonly number[] };

export interface GgufTensor {
  name: string;
  /** GGUF's order: the length of a row first, then the number of rows. */
  shape: readonly number[];
  type: TensorType;
  /** As many numbers as the shape says, row after row; or their bytes, encoded as the type says. */
  data: Float32Array | Uint8Array;
}

export interface GgufFile {
  /** Written in this order. */
  metadata: Readonly<Record<string, GgufValue>>;
  tensors: readonly GgufTensor[];
}

const MAGIC = 0x46554747;
const VERSION = 3;
/** Tensors begin at multiples of this many bytes: GGUF's default. */
const ALIGNMENT = 32;
/** Numbers of the GGUF specification. */
const VALUE_TYPES = { u32: 4, i32: 5, f32: 6, bool: 7, string: 8, array: 9, u64: 10 } as const;
const TENSOR_TYPES: Record<TensorType, number> = { F32: 0, F16: 1, Q8_0: 8 };

/**
 * Writes a GGUF file, version 3, little-endian (https://github.com/ggml-org/ggml/blob/master/docs/gguf.md).
 * The same input gives the same bytes.
 * @throws Error where a tensor's data does not fit its shape or type
 */
export function writeGguf({ metadata, tensors }: GgufFile): Uint8Array {
  const header = new Writer();
  header.u32(MAGIC).u32(VERSION).u64(tensors.length).u64(Object.keys(metadata).length);
  for (const [key, value] of Object.entries(metadata)) {
    header.string(key);
    writeValue(header, value);
  }
  let offset = 0;
  for (const tensor of tensors) {
    check(tensor);
    header.string(tensor.name).u32(tensor.shape.length);
    for (const length of tensor.shape) header.u64(length);
    header.u32(TENSOR_TYPES[tensor.type]).u64(offset);
    offset += aligned(tensorBytes(tensor.type, numbers(tensor.shape)));
  }
  const head = header.bytes();
  const begin = aligned(head.length);
  const file = new Uint8Array(begin + offset);
  file.set(head);
  let at = begin;
  for (const { type, data } of tensors) {
    const bytes = data instanceof Float32Array ? encodeTensor(type, data) : data;
    file.set(bytes, at);
    at += aligned(bytes.length);
  }
  return file;
}

function check({ name, shape, type, data }: GgufTensor): void {
  const [unit, expected] =
    data instanceof Float32Array ? ['numbers', numbers(shape)] : ['bytes', tensorBytes(type, numbers(shape))];
  if (data.length !== expected)
    throw new Error(`The tensor ${name} holds ${data.length} ${unit}; its shape says ${expected}.`);
  if (shape[0]! % blockLength(type) !== 0)
    throw new Error(`The tensor ${name} has rows of ${shape[0]}; ${type} needs multiples of ${blockLength(type)}.`);
}

const numbers = (shape: readonly number[]): number => shape.reduce((product, length) => product * length, 1);
const aligned = (length: number): number => Math.ceil(length / ALIGNMENT) * ALIGNMENT;

function writeValue(to: Writer, value: GgufValue): void {
  switch (value.type) {
    case 'u32':
      to.u32(VALUE_TYPES.u32).u32(value.value);
      break;
    case 'i32':
      to.u32(VALUE_TYPES.i32).i32(value.value);
      break;
    case 'f32':
      to.u32(VALUE_TYPES.f32).f32(value.value);
      break;
    case 'u64':
      to.u32(VALUE_TYPES.u64).u64(value.value);
      break;
    case 'bool':
      to.u32(VALUE_TYPES.bool).u8(value.value ? 1 : 0);
      break;
    case 'string':
      to.u32(VALUE_TYPES.string).string(value.value);
      break;
    case 'strings':
      to.u32(VALUE_TYPES.array).u32(VALUE_TYPES.string).u64(value.value.length);
      for (const text of value.value) to.string(text);
      break;
    case 'i32s':
      to.u32(VALUE_TYPES.array).u32(VALUE_TYPES.i32).u64(value.value.length);
      for (const number of value.value) to.i32(number);
      break;
    case 'f32s':
      to.u32(VALUE_TYPES.array).u32(VALUE_TYPES.f32).u64(value.value.length);
      for (const number of value.value) to.f32(number);
      break;
  }
}

/** Little-endian bytes that grow. */
class Writer {
  private buffer = Buffer.alloc(1 << 16);
  private length = 0;

  u8(value: number): this {
    return this.put(1, (at) => this.buffer.writeUInt8(value, at));
  }
  u32(value: number): this {
    return this.put(4, (at) => this.buffer.writeUInt32LE(value, at));
  }
  i32(value: number): this {
    return this.put(4, (at) => this.buffer.writeInt32LE(value, at));
  }
  f32(value: number): this {
    return this.put(4, (at) => this.buffer.writeFloatLE(value, at));
  }
  u64(value: number): this {
    return this.put(8, (at) => this.buffer.writeBigUInt64LE(BigInt(value), at));
  }
  string(value: string): this {
    const bytes = Buffer.from(value, 'utf8');
    return this.u64(bytes.length).put(bytes.length, (at) => bytes.copy(this.buffer, at));
  }
  bytes(): Uint8Array {
    return this.buffer.subarray(0, this.length);
  }

  private put(length: number, write: (at: number) => unknown): this {
    while (this.length + length > this.buffer.length)
      this.buffer = Buffer.concat([this.buffer, Buffer.alloc(this.buffer.length)]);
    write(this.length);
    this.length += length;
    return this;
  }
}

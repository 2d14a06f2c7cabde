/** How a tensor's numbers are stored. */
export type TensorType = 'F32' | 'F16' | 'Q8_0';

/** Q8_0: 32 numbers share one half-precision scale, each an 8-bit integer. */
const BLOCK = 32;
const BLOCK_BYTES = 2 + BLOCK;

/** Rows must be a multiple of this many numbers. */
export const blockLength = (type: TensorType): number => (type === 'Q8_0' ? BLOCK : 1);

/** Bytes that so many numbers take. */
export function tensorBytes(type: TensorType, numbers: number): number {
  if (type === 'Q8_0') return (numbers / BLOCK) * BLOCK_BYTES;
  return numbers * (type === 'F32' ? 4 : 2);
}

/** The bytes of a tensor, little-endian. */
export function encodeTensor(type: TensorType, data: Float32Array): Uint8Array {
  const bytes = new Uint8Array(tensorBytes(type, data.length));
  const view = new DataView(bytes.buffer);
  if (type === 'F32') data.forEach((x, i) => view.setFloat32(i * 4, x, true));
  else if (type === 'F16') data.forEach((x, i) => view.setUint16(i * 2, toHalf(x), true));
  else encodeQ8(data, view);
  return bytes;
}

/** As ggml's `quantize_row_q8_0_ref`: scale = largest magnitude / 127. */
function encodeQ8(data: Float32Array, view: DataView): void {
  for (let block = 0; block * BLOCK < data.length; block++) {
    const numbers = data.subarray(block * BLOCK, (block + 1) * BLOCK);
    const scale = numbers.reduce((largest, x) => Math.max(largest, Math.abs(x)), 0) / 127;
    const at = block * BLOCK_BYTES;
    view.setUint16(at, toHalf(scale), true);
    numbers.forEach((x, i) => view.setInt8(at + 2 + i, scale === 0 ? 0 : Math.round(x / scale)));
  }
}

const floats = new Float32Array(1);
const bits = new Uint32Array(floats.buffer);

/** The nearest IEEE 754 half-precision number, ties to even; beyond its range infinity. */
export function toHalf(value: number): number {
  floats[0] = value;
  const single = bits[0]!;
  const sign = (single >>> 16) & 0x8000;
  const exponent = ((single >>> 23) & 0xff) - 127 + 15;
  const fraction = single & 0x7fffff;
  if (exponent >= 31) return sign | 0x7c00 | (Number.isNaN(value) ? 0x200 : 0);
  // Below the normal range the leading one becomes part of the fraction.
  const shift = exponent > 0 ? 13 : 14 - exponent;
  if (shift > 24) return sign;
  const whole = exponent > 0 ? (exponent << 23) | fraction : fraction | 0x800000;
  const half = Math.floor(whole / 2 ** shift);
  const rest = whole - half * 2 ** shift;
  const middle = 2 ** (shift - 1);
  return sign | (half + (rest > middle || (rest === middle && half % 2 === 1) ? 1 : 0));
}

/** The number that a 16-bit float stands for. */
export function fromHalf(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 31) return fraction ? NaN : sign * Infinity;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

import { fromHalf } from './tensor-types.js';

export interface Tensor {
  /** Rows first, as PyTorch has it. */
  shape: readonly number[];
  data: Float32Array;
}

/**
 * Reads a file of safetensors (https://huggingface.co/docs/safetensors): a length, a JSON header, the numbers.
 * @throws Error where it is damaged, or holds other types than F16 and F32
 */
export function readSafetensors(file: Uint8Array): Map<string, Tensor> {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  const length = file.length < 8 ? Infinity : Number(view.getBigUint64(0, true));
  if (8 + length > file.length) throw new Error('The safetensors file ends within its header.');
  const header = JSON.parse(Buffer.from(file.subarray(8, 8 + length)).toString('utf8')) as Record<
    string,
    { dtype: string; shape: number[]; data_offsets: [number, number] }
  >;
  const tensors = new Map<string, Tensor>();
  for (const [name, { dtype, shape, data_offsets: offsets }] of Object.entries(header)) {
    if (name === '__metadata__') continue;
    if (dtype !== 'F16' && dtype !== 'F32')
      throw new Error(`The tensor ${name} is ${dtype}; only F16 and F32 are read.`);
    const size = dtype === 'F16' ? 2 : 4;
    const count = shape.reduce((product, n) => product * n, 1);
    const begin = 8 + length + offsets[0];
    if (offsets[1] - offsets[0] !== count * size || begin + count * size > file.length)
      throw new Error(`The tensor ${name} does not hold what its shape says.`);
    const data = new Float32Array(count);
    for (let i = 0; i < count; i++)
      data[i] = size === 2 ? fromHalf(view.getUint16(begin + 2 * i, true)) : view.getFloat32(begin + 4 * i, true);
    tensors.set(name, { shape, data });
  }
  return tensors;
}

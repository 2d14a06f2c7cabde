import { CODE, FIELD_VALUE, readFieldValue, type Handle } from './nvml-abi.js';
import { ABSENT, throwIfEnding, type NvmlCalls } from './nvml-calls.js';
import { meaningOf } from './nvml-codes.js';

/** Field values that are asked for in one call. */
export class NvmlFields {
  private readonly buffer: Buffer;
  private readonly offsets = new Map<number, number>();
  private told = false;

  /** @param fields ids, each with its scope (0 unless it is told by link) */
  constructor(
    private readonly calls: NvmlCalls,
    fields: readonly (readonly [id: number, scope: number])[],
  ) {
    this.buffer = Buffer.alloc(fields.length * FIELD_VALUE.bytes);
    for (const [i, [id, scope]] of fields.entries()) {
      const offset = i * FIELD_VALUE.bytes;
      this.offsets.set(id, offset);
      this.buffer.writeUInt32LE(id, offset + FIELD_VALUE.id);
      this.buffer.writeUInt32LE(scope, offset + FIELD_VALUE.scope);
    }
  }

  /** @throws NvmlError on a code that ends the cycle, of the call or of one field */
  read(device: Handle): void {
    // A driver that does not know a field may leave its status as it was.
    for (const offset of this.offsets.values())
      this.buffer.writeInt32LE(CODE.notSupported, offset + FIELD_VALUE.status);
    this.told = this.calls.gives('nvmlDeviceGetFieldValues', device, this.offsets.size, this.buffer);
    if (!this.told) return;
    for (const [id, offset] of this.offsets) {
      const status = this.buffer.readInt32LE(offset + FIELD_VALUE.status);
      if (status === CODE.ok || status === CODE.invalidArgument || ABSENT.has(status)) continue;
      throwIfEnding('nvmlDeviceGetFieldValues', status);
      this.calls.note(`nvmlDeviceGetFieldValues answered for field ${id} with ${meaningOf(status)}`);
    }
  }

  /** What the latest call told; `null` for what the device does not tell. */
  value(id: number): number | null {
    const offset = this.offsets.get(id)!;
    if (!this.told || this.buffer.readInt32LE(offset + FIELD_VALUE.status) !== CODE.ok) return null;
    return readFieldValue(this.buffer, offset);
  }

  /** NVML's number of the type of a value that was told. */
  type(id: number): number {
    return this.buffer.readInt32LE(this.offsets.get(id)! + FIELD_VALUE.type);
  }
}

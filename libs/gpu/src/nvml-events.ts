import {
  CODE,
  EVENT,
  EVENT_XID,
  NO_INSTANCE,
  readHandle,
  readU64,
  type Handle,
  type NvmlFunction,
} from './nvml-abi.js';
import { ABSENT, throwIfEnding, type NvmlCalls } from './nvml-calls.js';
import { meaningOf } from './nvml-codes.js';

/** Events of one cycle: a driver that tells them without end must not hold up the reading. */
const MAX_EVENTS = 256;

/** An XID that NVML told. */
export interface XidEvent {
  device: Handle;
  /** `null` where the event concerns no GPU instance. */
  gpuInstance: number | null;
  code: number | null;
}

/** The XIDs of all GPUs that can tell them, taken without waiting. */
export class NvmlEvents {
  private readonly event = Buffer.alloc(EVENT.bytes);
  private readonly mask = Buffer.alloc(8);
  private wait: NvmlFunction = 'nvmlEventSetWait_v2';

  private constructor(
    private readonly calls: NvmlCalls,
    private readonly set: Handle,
  ) {}

  /** @returns `undefined` where the library has no events */
  static open(calls: NvmlCalls): NvmlEvents | undefined {
    const word = Buffer.alloc(8);
    return calls.gives('nvmlEventSetCreate', word) ? new NvmlEvents(calls, readHandle(word)) : undefined;
  }

  /** A GPU that has no such events is left out; one that refuses them is remarked upon. */
  register(device: Handle): void {
    const told = this.calls.code('nvmlDeviceGetSupportedEventTypes', device, this.mask) === CODE.ok;
    if (told && (this.mask.readUInt32LE() & EVENT_XID) === 0) return;
    this.calls.gives('nvmlDeviceRegisterEvents', device, EVENT_XID, this.set);
  }

  /**
   * Hands on what happened since the last time, one by one, so that nothing is lost when a later call ends the cycle.
   * @throws NvmlError
   */
  drain(take: (event: XidEvent) => void): void {
    for (let i = 0; i < MAX_EVENTS; i++) {
      const code = this.next();
      if (code === CODE.timeout || ABSENT.has(code)) return;
      if (code !== CODE.ok) {
        throwIfEnding(this.wait, code);
        this.calls.note(`${this.wait} answered with ${meaningOf(code)}`);
        return;
      }
      if ((this.event.readUInt32LE(EVENT.type) & EVENT_XID) === 0) continue;
      const gpuInstance = this.event.readUInt32LE(EVENT.gpuInstance);
      take({
        device: readHandle(this.event, EVENT.device),
        gpuInstance: gpuInstance === NO_INSTANCE ? null : gpuInstance,
        code: readU64(this.event, EVENT.data),
      });
    }
  }

  close(): void {
    this.calls.rawCode('nvmlEventSetFree', this.set);
  }

  private next(): number {
    // The older call writes a shorter structure, without the instance.
    this.event.writeUInt32LE(NO_INSTANCE, EVENT.gpuInstance);
    const code = this.calls.rawCode(this.wait, this.set, this.event, 0);
    if (code !== CODE.functionNotFound || this.wait === 'nvmlEventSetWait') return code;
    this.wait = 'nvmlEventSetWait';
    return this.next();
  }
}

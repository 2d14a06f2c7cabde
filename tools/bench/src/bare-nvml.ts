import koffi from 'koffi';

const OK = 0;
const MEMORY_VERSION_2 = 0x2000028;

/**
 * The least that a reading can cost: five calls of NVML (memory, utilisation, temperature, power, energy) on the first
 * GPU, in this process, with nothing around them.
 */
export class BareNvml {
  private constructor(
    private readonly calls: readonly (() => number)[],
    private readonly shutdown: () => number,
  ) {}

  /** @throws Error where the library is not here, or has no GPU */
  static open(library = 'libnvidia-ml.so.1'): BareNvml {
    const nvml = koffi.load(library);
    const call = (name: string, ...parameters: string[]) => nvml.func(name, 'int', parameters);
    const shutdown = call('nvmlShutdown') as () => number;
    check('nvmlInit_v2', call('nvmlInit_v2')() as number);
    const handle = Buffer.alloc(8);
    check(
      'nvmlDeviceGetHandleByIndex_v2',
      call('nvmlDeviceGetHandleByIndex_v2', 'uint32_t', 'void *')(0, handle) as number,
    );
    const device = handle.readBigUInt64LE();
    const memory = Buffer.alloc(40);
    memory.writeUInt32LE(MEMORY_VERSION_2);
    const out = Buffer.alloc(8);
    const one = (name: string, into: Buffer) => {
      const bound = call(name, 'uint64_t', 'void *');
      return () => bound(device, into) as number;
    };
    const temperature = call('nvmlDeviceGetTemperature', 'uint64_t', 'uint32_t', 'void *');
    const calls = [
      one('nvmlDeviceGetMemoryInfo_v2', memory),
      one('nvmlDeviceGetUtilizationRates', out),
      () => temperature(device, 0, out) as number,
      one('nvmlDeviceGetPowerUsage', out),
      one('nvmlDeviceGetTotalEnergyConsumption', out),
    ];
    return new BareNvml(calls, shutdown);
  }

  /** @throws Error where a call fails: a figure of failed calls would be none */
  read(): void {
    for (const [i, call] of this.calls.entries()) check(`call ${i + 1}`, call());
  }

  close(): void {
    this.shutdown();
  }
}

function check(what: string, code: number): void {
  if (code !== OK) throw new Error(`NVML answered ${what} with code ${code}`);
}

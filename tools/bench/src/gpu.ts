import { setTimeout as sleep } from 'node:timers/promises';
import { NvidiaSmiSource, NvmlSource, type GpuSource } from '@vigil/gpu';
import { FakeNvml } from '@vigil/gpu/testing';
import { errorMessage, UserError } from '@vigil/service';
import { BareNvml } from './bare-nvml.js';
import { children, childrenCpu, memoryOf } from './processes.js';
import { median, quantile } from './statistics.js';
import type { Bench, BenchResult, Table } from './types.js';

const NVML_SAMPLES = 200;
const SMI_SAMPLES = 25;
const EIGHT_SECONDS = 60;
const HOUR_OF_SAMPLES = 3600;

interface Cost {
  name: string;
  /** Milliseconds of each sample. */
  ms: number[];
  /** CPU of one sample, this process and what it started, in milliseconds. */
  cpuMs: number;
}

/** What one reading costs, by source; then eight GPUs at one reading a second. */
export const bench: Bench = {
  title: 'What reading GPUs costs: our NVML source with every field, five bare NVML calls, and node-nvidia-smi.',
  async run(say): Promise<BenchResult> {
    const tables: Table[] = [];
    const notes: string[] = [];
    const device = openDevice();
    if (typeof device === 'string') notes.push(`No real GPU was read here: ${device}.`);
    else tables.push(await oneGpu(device, say));
    tables.push(await eightGpus(say));
    notes.push(
      'Samples are taken by turns, bare calls, NVML, NVML again, so that a clock that rises speeds up all alike. CPU is read from /proc in steps of 10 ms and divided by the number of samples.',
      'The eight GPUs are those of a stand-in for libnvidia-ml that reads a file at each call: its own cost is counted as ours.',
    );
    return { tables, notes };
  },
};

function openDevice(): BareNvml | string {
  try {
    return BareNvml.open();
  } catch (error) {
    return errorMessage(error);
  }
}

async function oneGpu(bare: BareNvml, say: (line: string) => void): Promise<Table> {
  const nvml = new NvmlSource({ timeoutSeconds: 20 });
  const smi = new NvidiaSmiSource({ timeoutSeconds: 20 });
  try {
    say(`five bare NVML calls and our NVML source, ${NVML_SAMPLES} samples each`);
    bare.read();
    await read(nvml);
    const costs = await byTurns(
      [
        { name: 'five bare NVML calls', samples: NVML_SAMPLES, once: async () => bare.read() },
        { name: 'nvml, all fields', samples: NVML_SAMPLES, once: () => read(nvml) },
      ],
      20,
    );
    say(`node-nvidia-smi, ${SMI_SAMPLES} samples`);
    await read(smi);
    costs.push(
      ...(await byTurns([{ name: 'nvidia-smi (node-nvidia-smi)', samples: SMI_SAMPLES, once: () => read(smi) }], 20)),
    );
    return costTable(costs);
  } finally {
    bare.close();
    await nvml.close();
    await smi.close();
  }
}

interface Contender {
  name: string;
  samples: number;
  once: () => Promise<void>;
}

async function byTurns(contenders: readonly Contender[], pauseMs: number): Promise<Cost[]> {
  const costs = contenders.map(({ name }) => ({ name, ms: [] as number[], cpu: 0 }));
  const most = Math.max(...contenders.map(({ samples }) => samples));
  // Blocks, since CPU is only told in steps of 10 ms.
  const block = 25;
  for (let from = 0; from < most; from += block)
    for (const [i, { once, samples }] of contenders.entries()) {
      const before = process.cpuUsage();
      const childrenBefore = await childrenCpu();
      for (let n = from; n < Math.min(from + block, samples); n++) {
        const begin = performance.now();
        await once();
        costs[i]!.ms.push(performance.now() - begin);
        await sleep(pauseMs);
      }
      const own = process.cpuUsage(before);
      costs[i]!.cpu += (own.user + own.system) / 1000 + ((await childrenCpu()) - childrenBefore) * 1000;
    }
  return costs.map(({ name, ms, cpu }) => ({ name, ms, cpuMs: cpu / ms.length }));
}

function costTable(costs: readonly Cost[]): Table {
  const bare = median(costs[0]!.ms);
  const format = (n: number): string => n.toFixed(n < 10 ? 2 : 0);
  return {
    caption: 'One reading of one GPU',
    columns: ['source', 'samples', 'p50 ms', 'p5 ms', 'p95 ms', 'p99 ms', 'CPU ms', '× bare (p50)'],
    rows: costs.map(({ name, ms, cpuMs }) => [
      name,
      String(ms.length),
      ...[0.5, 0.05, 0.95, 0.99].map((share) => format(quantile(ms, share))),
      format(cpuMs),
      (median(ms) / bare).toFixed(1),
    ]),
  };
}

async function eightGpus(say: (line: string) => void): Promise<Table> {
  const fake = await FakeNvml.make();
  let source: NvmlSource | undefined;
  try {
    await fake.does('gpus=8');
    const library = await fake.library().catch((error: unknown) => {
      throw new UserError(
        `The stand-in for libnvidia-ml can't be compiled (${errorMessage(error)}): install a C compiler (cc).`,
      );
    });
    source = new NvmlSource({ timeoutSeconds: 20, library, env: fake.env() });
    await read(source);
    const [child] = await children();
    say(`eight GPUs, one reading a second for ${EIGHT_SECONDS} s`);
    const [begin, cpuBefore] = [performance.now(), await childrenCpu()];
    for (let n = 1; n <= EIGHT_SECONDS; n++) {
      await read(source);
      await sleep(Math.max(0, begin + n * 1000 - performance.now()));
    }
    const share = ((await childrenCpu()) - cpuBefore) / ((performance.now() - begin) / 1000);
    const atStart = await memoryOf(child!.pid);
    say(`an hour's worth of samples (${HOUR_OF_SAMPLES}), as fast as they come`);
    for (let n = 0; n < HOUR_OF_SAMPLES; n++) await read(source);
    const atEnd = await memoryOf(child!.pid);
    const mib = (bytes: number): string => (bytes / 2 ** 20).toFixed(1);
    return {
      caption: 'The reading child, eight GPUs',
      columns: ['figure', 'value'],
      rows: [
        ['CPU at one reading a second, % of one core', (share * 100).toFixed(2)],
        [`resident memory after ${EIGHT_SECONDS} readings, MiB`, mib(atStart.rss)],
        ['of which its share (PSS), MiB', mib(atStart.pss)],
        ['of which its alone (USS), MiB', mib(atStart.uss)],
        [`USS after ${HOUR_OF_SAMPLES} more readings, MiB`, mib(atEnd.uss)],
        [`resident after ${HOUR_OF_SAMPLES} more readings, MiB`, mib(atEnd.rss)],
      ],
    };
  } finally {
    await source?.close();
    await fake.remove();
  }
}

async function read(source: GpuSource): Promise<void> {
  const reading = await source.read();
  if (reading.state !== 'up') throw new UserError(`The ${source.name} source gives no reading: ${reading.reason}`);
}

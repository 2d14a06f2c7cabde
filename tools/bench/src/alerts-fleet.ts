import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { writeGpuSamples, writeRequests, type connect } from '@vigil/store';
import { gpuRow, requestRow } from '@vigil/store/testing';

type Store = Parameters<typeof connect>[0];

export const GPUS = 100;
export const RULES = 1000;
/** Seconds that the measured condition has to hold. */
export const HOLD = 5;

export interface Gpu {
  node: string;
  gpu: string;
}

/** Ten nodes with ten GPUs each. */
export const fleet: readonly Gpu[] = Array.from({ length: GPUS }, (_, i) => ({
  node: `node-${Math.floor(i / 10)}`,
  gpu: String(i % 10),
}));

const QUIET = [
  ['gpu.utilization', 1],
  ['gpu.temperature', 200],
  ['gpu.power', 9e3],
  ['gpu.memory.used', 1e15],
  ['gpu.clock.sm', 1e12],
  ['gpu.temperature.margin', 500],
  ['gpu.memory.total', 1e15],
  ['gpu.power.limit', 9e3],
] as const;
const REQUEST_SIGNALS = [
  'request.rate',
  'request.error.ratio',
  'response.latency.mean',
  'request.duration.mean',
  'request.first_token.mean',
  'request.per_output_token.mean',
  'request.queue.mean',
  'token.output.rate',
  'answer.empty.ratio',
  'answer.repetition.mean',
] as const;
const WINDOWS = ['1m', '5m', '15m', '1h'] as const;

const rule = (name: string, signal: string, above: number, more: string): string =>
  `alert: ${name}\nsignal: ${signal}\ncondition: { above: ${above} }\n${more}severity: warning\nsummary: '${name}'\naction: https://example.org/${name}\n`;

/**
 * A thousand rules: for each GPU one that is measured and eight quiet ones, 60 on all GPUs, and 40 on requests over windows of
 * a minute to an hour.
 */
export function rules(): string[] {
  const single = fleet.flatMap(({ node, gpu }, i) => {
    const where = `where: { node: ${node}, gpu: '${gpu}' }\nby: [node, gpu]\n`;
    return [
      rule(`Full${i}`, 'gpu.memory.ratio', 0.9, `for: ${HOLD}s\n${where}`),
      ...QUIET.map(([signal, above], k) => rule(`Quiet${i}x${k}`, signal, above, `for: 1m\n${where}`)),
    ];
  });
  const all = Array.from({ length: 60 }, (_, i) => {
    const [signal, above] = QUIET[i % QUIET.length]!;
    return rule(`Fleet${i}`, signal, above, `${i % 2 === 0 ? '' : 'over: 5m\n'}for: 1m\nby: [node, gpu]\n`);
  });
  const requests = REQUEST_SIGNALS.flatMap((signal, i) =>
    WINDOWS.map((over, k) =>
      rule(
        `Requests${i}x${k}`,
        signal,
        /\.ratio$|repetition/.test(signal) ? 1 : 1e9,
        `over: ${over}\nfor: 1m\nby: [model]\n`,
      ),
    ),
  );
  return [...single, ...all, ...requests];
}

export async function writeRules(folder: string): Promise<void> {
  await mkdir(folder, { recursive: true });
  await Promise.all(rules().map((text, i) => writeFile(join(folder, `rule-${i}.yaml`), text)));
}

const sample = ({ node, gpu }: Gpu, ratio: number) =>
  gpuRow(ratio, { time: new Date(), node, gpu, uuid: `${node}-${gpu}` });

/** Writes what collectors would: each GPU once a second, and sixteen requests. GPUs in `full` are full. */
export async function feed(store: Store, full: ReadonlySet<Gpu>, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    const begun = Date.now();
    await writeGpuSamples(
      store,
      fleet.map((gpu) => sample(gpu, full.has(gpu) ? 0.95 : 0.5)),
    );
    await writeRequests(
      store,
      Array.from({ length: 16 }, (_, i) => requestRow({ model: `model-${i % 4}`, node: `node-${i % 4}` })),
    );
    await sleep(Math.max(1, 1000 - (Date.now() - begun)), undefined, { signal }).catch(() => undefined);
  }
}

/** One GPU becomes full at this moment, as the next reading of its collector would tell. */
export async function fill(store: Store, full: Set<Gpu>, gpu: Gpu): Promise<number> {
  full.add(gpu);
  await writeGpuSamples(store, [sample(gpu, 0.95)]);
  return Date.now();
}

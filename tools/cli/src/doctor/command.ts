import { existsSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { createGpuSource, gpuConfig, readDeviceFacts } from '@vigil/gpu';
import { rootsOf } from '@vigil/host';
import { createLogger, readConfig } from '@vigil/service';
import { z } from 'zod';
import { parseOptions, UsageError } from '../options.js';
import { resolveSubject } from '../size/subject.js';
import { CHECKS } from './checks/index.js';
import { parsePeer } from './measure/round-trip.js';
import { printRows, summarise } from './report.js';
import { runChecks } from './run.js';
import type { Context, Gpus } from './types.js';

export const DOCTOR_USAGE = `vigil doctor: checks this machine against what serving R1 needs

  npx vigil doctor --model deepseek-r1-distill-qwen-7b --context 8192 --concurrency 32

  --model NAME         what is to be served; "npx vigil size --help" says how to name it
  --gguf FILE          the same, by its file (else the file that MODEL names)
  --quantization NAME, --context TOKENS, --concurrency N, --kv-cache TYPE: as for "vigil size"
  --volume PATH        on the volume that holds models (else that of the file, or of DATA_DIR)
  --peer HOST[:PORT]   another machine that serves together with this one
  --quick              leave out what loads memory and disk for a second each
  --json               the same as JSON

It measures for a few seconds, and changes nothing. Exit codes: 0 nothing failed; 1 a check failed; 2 wrong usage.`;

/** Seconds. The GPU source tries NVML, then nvidia-smi, each within its deadline. */
const GPU_SECONDS = 3;
const PER_CHECK_SECONDS = 7;
const TOTAL_SECONDS = 10;

/** @returns the exit code */
export async function runDoctor(args: readonly string[], print: (text: string) => void): Promise<number> {
  const { env } = process;
  const options = parseOptions(args, DOCTOR_USAGE, {
    model: 'text',
    gguf: 'file',
    quantization: 'text',
    context: 'count',
    concurrency: 'count',
    'kv-cache': 'text',
    volume: 'file',
    peer: 'text',
    quick: 'flag',
    json: 'flag',
  });
  if (options.peer !== undefined && !parsePeer(options.peer))
    throw new UsageError(`--peer is "${options.peer}": host or host:port is expected.`);
  if (options.volume !== undefined && !existsSync(options.volume))
    throw new UsageError(`--volume is "${options.volume}": there is no such file or folder.`);
  const gguf = options.gguf ?? (options.model === undefined ? fileOf(env['MODEL']) : undefined);
  const named = options.model !== undefined || gguf !== undefined;
  const subject = named ? await resolveSubject({ ...options, gguf, cache: options['kv-cache'] }) : undefined;
  let gpus: Promise<Gpus> | undefined;
  const context: Context = {
    env,
    roots: rootsOf(env),
    etc: '/etc',
    gpus: () => (gpus ??= readGpus(env)),
    subject,
    peer: options.peer,
    quick: options.quick ?? false,
    volume: options.volume ?? gguf ?? nearest(resolve(env['DATA_DIR'] || '.vigil')),
  };
  const began = performance.now();
  const rows = await runChecks(CHECKS, context, {
    perCheckSeconds: PER_CHECK_SECONDS,
    totalSeconds: TOTAL_SECONDS,
    ...(process.stderr.isTTY && { progress: (title: string) => process.stderr.write(`\r\x1b[KMeasuring: ${title} …`) }),
  });
  if (process.stderr.isTTY) process.stderr.write('\r\x1b[K');
  const summary = summarise(rows);
  const { isTTY, columns: width = 100 } = process.stdout;
  const seconds = Math.round((performance.now() - began) / 100) / 10;
  if (options.json) print(JSON.stringify({ ok: summary.fail === 0, seconds, summary, checks: rows }, null, 2));
  else print(printRows(rows, { width: Math.min(width, 120), colour: Boolean(isTTY) && !env['NO_COLOR'] }));
  return summary.fail === 0 ? 0 : 1;
}

/** The file that the runtime would serve, where `MODEL` names one. */
function fileOf(model: string | undefined): string | undefined {
  const path = model && !model.startsWith('hf:') ? resolve(model) : undefined;
  return path !== undefined && existsSync(path) ? path : undefined;
}

/** The folder itself, or the first one above it that exists. */
function nearest(path: string): string {
  return existsSync(path) || dirname(path) === path ? path : nearest(dirname(path));
}

async function readGpus(env: NodeJS.ProcessEnv): Promise<Gpus> {
  const config = readConfig(z.object(gpuConfig), { ...env, GPU_TIMEOUT: `${GPU_SECONDS}s` });
  const source = await createGpuSource(config, createLogger('doctor', 'silent'));
  try {
    const [reading, facts] = await Promise.all([source.read(), readDeviceFacts({ timeoutSeconds: GPU_SECONDS, env })]);
    return { reading, facts };
  } finally {
    await source.close();
  }
}

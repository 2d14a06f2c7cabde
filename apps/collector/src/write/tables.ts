import {
  writeEngineSamples,
  writeGpuEvents,
  writeGpuSamples,
  writeNodeSamples,
  writeRequests,
  type EngineSampleRow,
  type GpuEventRow,
  type GpuSampleRow,
  type NodeSampleRow,
  type RequestRow,
} from '@vigil/store';
import type { Store } from './store-link.js';

/** A table that rows are written to, and their form on disk while they wait. */
export interface Table<R> {
  name: 'request' | 'gpu_sample' | 'gpu_event' | 'node_sample' | 'engine_sample';
  /** How many rows were new. */
  write: (store: Store, rows: readonly R[]) => Promise<number>;
  encode: (rows: readonly R[]) => Uint8Array;
  /** @throws Error where the bytes are not what `encode` made */
  decode: (bytes: Uint8Array) => R[];
  /** A row's name for a log line. */
  describe: (row: R) => string;
}

const VERSION = 1;

/** @param mayBeNull dates that a row need not have */
function codec<R>(
  name: string,
  dates: readonly (keyof R)[],
  mayBeNull: readonly (keyof R)[] = [],
): Pick<Table<R>, 'encode' | 'decode'> {
  const revive = (row: R, key: keyof R) => (mayBeNull.includes(key) && row[key] === null ? null : date(row[key]));
  return {
    encode: (rows) => Buffer.from(JSON.stringify({ version: VERSION, table: name, rows })),
    decode: (bytes) => {
      const { version, table, rows } = JSON.parse(Buffer.from(bytes).toString('utf8')) as Record<string, unknown>;
      if (version !== VERSION || table !== name || !Array.isArray(rows))
        throw new Error(`not an entry of version ${VERSION} for ${name}`);
      const keys = [...dates, ...mayBeNull];
      return rows.map((row: R) => ({ ...row, ...Object.fromEntries(keys.map((key) => [key, revive(row, key)])) }));
    },
  };
}

function date(value: unknown): Date {
  const time = new Date(String(value));
  if (Number.isNaN(time.getTime())) throw new Error('a row without a time');
  return time;
}

export const REQUESTS: Table<RequestRow> = {
  name: 'request',
  write: writeRequests,
  ...codec<RequestRow>('request', ['startedAt', 'endedAt']),
  describe: (row) => `span ${row.spanId} of trace ${row.traceId}`,
};

export const GPU_SAMPLES: Table<GpuSampleRow> = {
  name: 'gpu_sample',
  write: writeGpuSamples,
  ...codec<GpuSampleRow>('gpu_sample', ['time']),
  describe: (row) => `GPU ${row.gpu} of ${row.node} at ${row.time.toISOString()}`,
};

export const GPU_EVENTS: Table<GpuEventRow> = {
  name: 'gpu_event',
  write: writeGpuEvents,
  ...codec<GpuEventRow>('gpu_event', ['time']),
  describe: (row) =>
    `${row.kind} ${row.code ?? ''} of GPU ${row.gpu ?? '?'} of ${row.node} at ${row.time.toISOString()}`,
};

export const NODE_SAMPLES: Table<NodeSampleRow> = {
  name: 'node_sample',
  write: writeNodeSamples,
  ...codec<NodeSampleRow>('node_sample', ['time'], ['gpuReadAt']),
  describe: (row) => `node ${row.node} at ${row.time.toISOString()}`,
};

export const ENGINE_SAMPLES: Table<EngineSampleRow> = {
  name: 'engine_sample',
  write: writeEngineSamples,
  ...codec<EngineSampleRow>('engine_sample', ['time']),
  describe: (row) => `engine ${row.server} on ${row.node} at ${row.time.toISOString()}`,
};

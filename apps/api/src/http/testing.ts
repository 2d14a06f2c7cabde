import { createLogger } from '@vigil/service';
import { connect, createStore, writeGpuEvents, writeGpuSamples, writeRequests } from '@vigil/store';
import { createApp } from '../app.js';
import { gpuEventRow, gpuRow, requestRow } from '@vigil/store/testing';
import { GPU_RULE, testConfig, writeRules } from '../testing.js';

/** A model whose name would do harm wherever it were pasted into SQL. */
export const MODEL = `x'"; DROP TABLE request; --`;

export const at = (text: string): Date => new Date(`2026-03-01T${text}Z`);

/** What these tests need of the tools that only test files may import. */
export interface Tools {
  database: {
    url: string;
    query(sql: string, values?: unknown[]): Promise<Record<string, any>[]>;
    drop(): Promise<void>;
  };
  until(what: string, probe: () => Promise<boolean>): Promise<unknown>;
}

export interface Answer {
  status: number;
  body: any;
  headers: Headers;
}

/** The API, with two rules, two GPUs, four of their events and eleven requests. */
export interface TestApi {
  url: string;
  database: Tools['database'];
  get(path: string, parameters?: Record<string, string>): Promise<Answer>;
  /** Every page of a list, one after the other. */
  pages(path: string, parameters: Record<string, string>): Promise<any[][]>;
  stop(): Promise<void>;
}

export async function startTestApi({ database, until }: Tools): Promise<TestApi> {
  const store = createStore({ url: database.url, applicationName: 'test' });
  await connect(store, database.url);
  const rules = await writeRules({
    'gpu.yaml': GPU_RULE,
    'slow.yaml': GPU_RULE.replace('GpuFull', 'GpuWaiting').replace('severity', 'for: 1h\nseverity'),
  });
  await writeRequests(store, [
    ...Array.from({ length: 5 }, (_, i) =>
      requestRow({ endedAt: at(`10:00:0${i}`), conversationId: 'c1', responseId: `r${i}` }),
    ),
    // The same instant: the order must hold all the same, and no row be passed over.
    ...Array.from({ length: 5 }, (_, i) => requestRow({ endedAt: at('10:01:00'), model: MODEL, responseId: `s${i}` })),
    requestRow({
      endedAt: at('10:02:30'),
      outcome: 'error',
      errorType: 'engine_died',
      responseLatency: null,
      responseId: 't',
    }),
  ]);
  await writeGpuSamples(store, [gpuRow(0.95), gpuRow(0.5, { gpu: '1' })]);
  await writeGpuEvents(store, [
    gpuEventRow({ time: at('10:00:00'), node: 'a', gpu: '0', code: 79, class: 'critical', meaning: 'It fell off.' }),
    gpuEventRow({ time: at('10:00:00'), node: 'a', gpu: '1', code: 31, class: 'application' }),
    gpuEventRow({ time: at('10:00:00'), node: 'b', gpu: null, code: 94, class: 'warning' }),
    gpuEventRow({ time: at('10:05:00'), node: 'a', gpu: '0', kind: 'lost', code: null, class: 'critical' }),
  ]);
  const config = testConfig({ DATABASE_URL: database.url, RULES_DIR: rules.folder });
  const app = createApp({ config, log: createLogger('api', 'silent') });
  const url = (await app.start()).api!;
  const get: TestApi['get'] = async (path, parameters) => {
    const query = parameters ? `?${new URLSearchParams(parameters)}` : '';
    const response = await fetch(`${url}${path}${query}`);
    const text = await response.text();
    const isJson = response.headers.get('content-type')?.includes('json');
    return { status: response.status, body: isJson ? JSON.parse(text) : text, headers: response.headers };
  };
  await until('the first beat', async () => (await get('/api/v1/alerts')).body.items.length === 4);
  return {
    url,
    database,
    get,
    pages: async (path, parameters) => {
      const found: any[][] = [];
      for (let cursor: string | null = ''; cursor !== null;) {
        const { status, body } = await get(path, { ...parameters, ...(cursor && { cursor }) });
        if (status !== 200) throw new Error(JSON.stringify(body));
        found.push(body.items);
        cursor = body.next;
      }
      return found;
    },
    stop: async () => {
      await app.stop();
      await store.destroy();
      await database.drop();
      await rules.remove();
    },
  };
}

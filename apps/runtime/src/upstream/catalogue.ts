import { errorMessage } from '@vigil/service';
import { readText, type Connections } from './exchange.js';
import { UpstreamFault } from './fault.js';
import type { Kind, Upstream } from './upstreams.js';

export interface Listed {
  id: string;
  /** Seconds since 1970. */
  created: number;
}

export type Listing =
  /** It has no list, or one that can't be read, or refuses it, which is no fault: `models` is undefined. */
  | { reachable: true; models: Listed[] | undefined; kind: Kind | undefined; refusal?: string }
  | { reachable: false; why: string };

/** Proxies before a server that is away say these. */
const GATEWAY = new Set([502, 504]);

const LIST_MAX = 4 * 2 ** 20;
const MODELS_MAX = 1_000;
const PATIENCE_MS = 5_000;

/** What servers write into the lists of their models. */
const OWNERS: Readonly<Record<string, Kind>> = {
  vllm: 'vllm',
  sglang: 'sglang',
  llamacpp: 'llama-server',
  library: 'ollama',
  deepseek: 'deepseek',
  openai: 'openai',
};

/** Asks an upstream for its models, which also tells whether it is there and what it is. Never throws. */
export async function list(connections: Connections, upstream: Upstream, signal: AbortSignal): Promise<Listing> {
  try {
    const ask = { path: '/models', body: undefined, headers: {}, patience: PATIENCE_MS, signal };
    const response = await connections.send(upstream, ask, false);
    return readList(await readText(response, LIST_MAX, PATIENCE_MS, signal));
  } catch (error) {
    const status = error instanceof UpstreamFault ? error.details.status : undefined;
    if (status === undefined || GATEWAY.has(status)) return { reachable: false, why: errorMessage(error) };
    const refused = (error as UpstreamFault).kind === 'refused' || (error as UpstreamFault).kind === 'failed';
    return { reachable: true, models: undefined, kind: undefined, ...(refused && { refusal: errorMessage(error) }) };
  }
}

/** Reads `GET /v1/models`, whatever it holds. */
export function readList(text: string): Listing {
  let data: unknown;
  try {
    data = (JSON.parse(text) as { data?: unknown } | null)?.data;
  } catch {
    data = undefined;
  }
  if (!Array.isArray(data)) return { reachable: true, models: undefined, kind: undefined };
  const entries = (data as ({ id?: unknown; created?: unknown; owned_by?: unknown } | null)[])
    .slice(0, MODELS_MAX)
    .filter((entry) => typeof entry?.id === 'string' && entry.id !== '' && entry.id.length <= 200);
  const owner = entries.map((entry) => entry!.owned_by).find((name) => typeof name === 'string') as string | undefined;
  return {
    reachable: true,
    models: entries.map((entry) => ({
      id: entry!.id as string,
      created: Number.isSafeInteger(entry!.created) ? (entry!.created as number) : 0,
    })),
    kind: owner !== undefined && Object.hasOwn(OWNERS, owner) ? OWNERS[owner] : undefined,
  };
}

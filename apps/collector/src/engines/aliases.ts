/** Raised when a name is added or given another meaning, so that a series says by which table it was read. */
export const TABLE_VERSION = 2;

export type EngineKind = 'vllm' | 'sglang' | 'llama-server' | 'vigil';

/** How the names of each engine begin. SGLang and some scrapers turn the colon into an underscore. */
export const PREFIXES: Readonly<Record<EngineKind, RegExp>> = {
  vllm: /^vllm[:_]/,
  sglang: /^sglang[:_]/,
  'llama-server': /^llamacpp[:_]/,
  vigil: /^vigil_runtime_/,
};

/** One of the names under which an engine tells a measure; without the engine's prefix. */
export interface Alias {
  name: string;
  /** Added to it where it is there. */
  plus?: string;
  /** Labels that its series must have. */
  where?: Readonly<Record<string, string>>;
}

export interface Measure {
  /** As alias information calls it. */
  id: string;
  /** The name that we give it, and labels that part it from others of that name. */
  metric: string;
  labels?: Readonly<Record<string, string>>;
  type: 'gauge' | 'counter' | 'histogram';
  help: string;
  /** What becomes of several series of one model: parallel ranks add up, of ratios the highest counts. */
  combine: 'sum' | 'max';
  /** The present name first. An engine that is not here does not tell the measure. */
  aliases: Partial<Record<EngineKind, readonly Alias[]>>;
  /** What an unknown version may call it: read, and said to be a guess. */
  guess?: RegExp;
}

const all = (...names: string[]): Alias[] => names.map((name) => ({ name }));

export const MEASURES: readonly Measure[] = [
  {
    id: 'running',
    metric: 'vigil_engine_requests_running',
    type: 'gauge',
    help: 'Requests that the engine is answering.',
    combine: 'sum',
    aliases: {
      vllm: all('num_requests_running'),
      sglang: all('num_running_reqs'),
      'llama-server': all('requests_processing'),
      vigil: all('requests_running'),
    },
    guess: /^(num_)?(requests?|reqs?)_(running|processing)$|^(num_)?running_(requests?|reqs?)$/,
  },
  {
    id: 'waiting',
    metric: 'vigil_engine_requests_waiting',
    type: 'gauge',
    help: 'Requests that wait in the engine.',
    combine: 'sum',
    aliases: {
      vllm: all('num_requests_waiting'),
      sglang: all('num_queue_reqs'),
      'llama-server': all('requests_deferred'),
      vigil: all('requests_waiting'),
    },
    guess: /^(num_)?(requests?|reqs?)_(waiting|queued|deferred)$|^(num_)?(waiting|queued?)_(requests?|reqs?)$/,
  },
  {
    id: 'kv_cache_usage',
    metric: 'vigil_engine_kv_cache_usage_ratio',
    type: 'gauge',
    help: 'Share of the KV cache that is in use, 0 to 1; of several ranks the fullest.',
    combine: 'max',
    aliases: {
      // gpu_… until V1 of vLLM.
      vllm: all('kv_cache_usage_perc', 'gpu_cache_usage_perc'),
      sglang: all('token_usage'),
      // Left out since 2025.
      'llama-server': all('kv_cache_usage_ratio'),
      vigil: all('kv_cache_usage_ratio'),
    },
    guess: /^(gpu_|kv_)*cache_usage(_perc|_ratio)?$|^kv_usage(_perc|_ratio)?$/,
  },
  {
    id: 'preemptions',
    metric: 'vigil_engine_preemptions_total',
    type: 'counter',
    help: 'Requests whose KV cache was taken from them, to be computed anew.',
    combine: 'sum',
    aliases: {
      vllm: all('num_preemptions_total', 'num_preemptions'),
      // total_… was a gauge that only grows.
      sglang: all('num_retracted_requests_total', 'total_retracted_reqs'),
    },
    guess: /^(num_)?(preemptions|preempted_requests|retractions)(_total)?$/,
  },
  {
    id: 'preempted',
    metric: 'vigil_engine_requests_preempted',
    type: 'gauge',
    help: 'Requests that were preempted when the engine last looked, of engines that do not count them.',
    combine: 'sum',
    aliases: { sglang: all('num_retracted_reqs') },
  },
  {
    id: 'input_tokens',
    metric: 'vigil_engine_tokens_total',
    labels: { kind: 'input' },
    type: 'counter',
    help: 'Tokens of prompts, those found in the prefix cache included, and tokens generated.',
    combine: 'sum',
    aliases: {
      vllm: all('prompt_tokens_total'),
      sglang: all('prompt_tokens_total'),
      // Counts only what it computed.
      'llama-server': [{ name: 'prompt_tokens_total', plus: 'prompt_tokens_cached_total' }],
      vigil: [{ name: 'tokens_total', where: { kind: 'input' } }],
    },
    guess: /^(prompt|input)_tokens_total$/,
  },
  {
    id: 'output_tokens',
    metric: 'vigil_engine_tokens_total',
    labels: { kind: 'output' },
    type: 'counter',
    help: 'Tokens of prompts, those found in the prefix cache included, and tokens generated.',
    combine: 'sum',
    aliases: {
      vllm: all('generation_tokens_total'),
      sglang: all('generation_tokens_total'),
      'llama-server': all('tokens_predicted_total'),
      vigil: [{ name: 'tokens_total', where: { kind: 'output' } }],
    },
    guess: /^(generation|generated|output|completion|decode)_tokens_total$/,
  },
  {
    id: 'prefix_cache_hits',
    metric: 'vigil_engine_prefix_cache_hits_total',
    type: 'counter',
    help: 'Tokens of prompts that were found in the prefix cache (blocks, in vLLM before 0.9).',
    combine: 'sum',
    aliases: {
      vllm: all('prefix_cache_hits_total', 'gpu_prefix_cache_hits_total'),
      sglang: all('cached_tokens_total'),
      'llama-server': all('prompt_tokens_cached_total'),
      vigil: all('prefix_reused_tokens_total'),
    },
    guess: /^(gpu_|kv_)?prefix_cache_hits?(_tokens)?_total$|^cached_(prompt_)?tokens_total$/,
  },
  {
    id: 'prefix_cache_queries',
    metric: 'vigil_engine_prefix_cache_queries_total',
    type: 'counter',
    help: 'Tokens of prompts that were looked for in the prefix cache (blocks, in vLLM before 0.9).',
    combine: 'sum',
    aliases: {
      vllm: all('prefix_cache_queries_total', 'gpu_prefix_cache_queries_total'),
      sglang: all('prompt_tokens_total'),
      'llama-server': [{ name: 'prompt_tokens_total', plus: 'prompt_tokens_cached_total' }],
      vigil: [{ name: 'tokens_total', where: { kind: 'input' } }],
    },
  },
  {
    id: 'prefix_cache_hit_ratio',
    metric: 'vigil_engine_prefix_cache_hit_ratio',
    type: 'gauge',
    help: 'Share of prompts that was found in the prefix cache, 0 to 1, as engines tell it that do so.',
    combine: 'max',
    aliases: { vllm: all('gpu_prefix_cache_hit_rate'), sglang: all('cache_hit_rate') },
  },
  {
    id: 'queue_time',
    metric: 'vigil_engine_queue_duration_seconds',
    type: 'histogram',
    help: 'How long requests waited in the engine.',
    combine: 'sum',
    aliases: {
      vllm: all('request_queue_time_seconds'),
      sglang: all('queue_time_seconds'),
    },
    guess: /^(requests?_)?queue(ing)?_(time|duration)_seconds$/,
  },
  {
    id: 'first_token',
    metric: 'vigil_engine_time_to_first_token_seconds',
    type: 'histogram',
    help: 'Time to first token, as the engine measures it.',
    combine: 'sum',
    aliases: { vllm: all('time_to_first_token_seconds'), sglang: all('time_to_first_token_seconds') },
  },
  {
    id: 'inter_token',
    metric: 'vigil_engine_inter_token_seconds',
    type: 'histogram',
    help: 'Time between two tokens of one answer, as the engine measures it.',
    combine: 'sum',
    aliases: {
      vllm: all('inter_token_latency_seconds', 'time_per_output_token_seconds'),
      sglang: all('inter_token_latency_seconds', 'time_per_output_token_seconds'),
    },
  },
  {
    id: 'duration',
    metric: 'vigil_engine_request_duration_seconds',
    type: 'histogram',
    help: 'From taking a request to the end of its answer, as the engine measures it.',
    combine: 'sum',
    aliases: { vllm: all('e2e_request_latency_seconds'), sglang: all('e2e_request_latency_seconds') },
  },
];

/** Measures that every version of an engine was seen to tell: one that is missing is worth a word. */
export const EXPECTED: Readonly<Record<EngineKind, readonly string[]>> = {
  vllm: ['running', 'waiting', 'kv_cache_usage', 'preemptions', 'input_tokens', 'output_tokens', 'queue_time'],
  sglang: ['running', 'waiting', 'kv_cache_usage', 'input_tokens', 'output_tokens'],
  'llama-server': ['running', 'waiting', 'input_tokens', 'output_tokens'],
  // Before other engines (ENGINE=upstream) it knows no queue and no cache.
  vigil: ['running'],
};

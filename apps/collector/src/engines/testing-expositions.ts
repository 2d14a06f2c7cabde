/* What engines say at /metrics, by the names that their versions have; numbers are made up. For tests. */

const LABELS = 'engine="0",model_name="deepseek-ai/DeepSeek-R1"';

const histogram = (name: string, labels: string, buckets: Record<string, number>, sum: number): string => {
  const count = Object.values(buckets).at(-1)!;
  const lines = Object.entries(buckets).map(
    ([le, value]) => `${name}_bucket{${labels},le="${le}"} ${value.toFixed(1)}`,
  );
  return [
    `# HELP ${name} Histogram.`,
    `# TYPE ${name} histogram`,
    ...lines,
    `${name}_count{${labels}} ${count.toFixed(1)}`,
    `${name}_sum{${labels}} ${sum}`,
    `# HELP ${name}_created Histogram.`,
    `# TYPE ${name}_created gauge`,
    `${name}_created{${labels}} 1.7553912e+09`,
  ].join('\n');
};

/** vLLM V1, 0.11 and later, with two data-parallel ranks. */
export const VLLM = `# HELP python_gc_objects_collected_total Objects collected during gc
# TYPE python_gc_objects_collected_total counter
python_gc_objects_collected_total{generation="0"} 12345.0
# HELP process_resident_memory_bytes Resident memory size in bytes.
# TYPE process_resident_memory_bytes gauge
process_resident_memory_bytes 2.4871936e+09
# HELP vllm:num_requests_running Number of requests in model execution batches.
# TYPE vllm:num_requests_running gauge
vllm:num_requests_running{${LABELS}} 12.0
vllm:num_requests_running{engine="1",model_name="deepseek-ai/DeepSeek-R1"} 9.0
# HELP vllm:num_requests_waiting Number of requests waiting to be processed.
# TYPE vllm:num_requests_waiting gauge
vllm:num_requests_waiting{${LABELS}} 3.0
vllm:num_requests_waiting{engine="1",model_name="deepseek-ai/DeepSeek-R1"} 0.0
# HELP vllm:engine_sleep_state Engine sleep state; awake = 0 means engine is sleeping.
# TYPE vllm:engine_sleep_state gauge
vllm:engine_sleep_state{${LABELS},sleep_state="awake"} 1.0
# HELP vllm:kv_cache_usage_perc KV-cache usage. 1 means 100 percent usage.
# TYPE vllm:kv_cache_usage_perc gauge
vllm:kv_cache_usage_perc{${LABELS}} 0.8312
vllm:kv_cache_usage_perc{engine="1",model_name="deepseek-ai/DeepSeek-R1"} 0.412
# HELP vllm:prefix_cache_queries_total Prefix cache queries, in terms of number of queried tokens.
# TYPE vllm:prefix_cache_queries_total counter
vllm:prefix_cache_queries_total{${LABELS}} 9.81e+06
vllm:prefix_cache_queries_created{${LABELS}} 1.7553912e+09
# TYPE vllm:prefix_cache_hits_total counter
vllm:prefix_cache_hits_total{${LABELS}} 4.2e+06
# TYPE vllm:num_preemptions_total counter
vllm:num_preemptions_total{${LABELS}} 17.0
# TYPE vllm:prompt_tokens_total counter
vllm:prompt_tokens_total{${LABELS}} 9.81e+06
# TYPE vllm:generation_tokens_total counter
vllm:generation_tokens_total{${LABELS}} 2.145e+07
# TYPE vllm:request_success_total counter
vllm:request_success_total{${LABELS},finished_reason="stop"} 5120.0
# TYPE vllm:cache_config_info gauge
vllm:cache_config_info{block_size="64",cache_dtype="fp8",engine="0"} 1.0
${histogram('vllm:request_queue_time_seconds', LABELS, { '0.3': 5000, '0.5': 5050, '1.0': 5100, '+Inf': 5130 }, 412.5)}
${histogram('vllm:time_to_first_token_seconds', LABELS, { '0.1': 100, '1.0': 5000, '+Inf': 5130 }, 2565)}
${histogram('vllm:inter_token_latency_seconds', LABELS, { '0.025': 2e7, '0.05': 2.1e7, '+Inf': 2.145e7 }, 5.1e5)}
${histogram('vllm:e2e_request_latency_seconds', LABELS, { '30.0': 3000, '60.0': 5000, '+Inf': 5130 }, 161234.5)}
`;

/** vLLM 0.6, the engine before V1. */
export const VLLM_OLD = `# TYPE vllm:num_requests_running gauge
vllm:num_requests_running{model_name="r1"} 4.0
# TYPE vllm:num_requests_swapped gauge
vllm:num_requests_swapped{model_name="r1"} 0.0
vllm:num_requests_waiting{model_name="r1"} 1.0
vllm:gpu_cache_usage_perc{model_name="r1"} 0.42
vllm:cpu_cache_usage_perc{model_name="r1"} 0.0
vllm:gpu_prefix_cache_hit_rate{model_name="r1"} 0.35
vllm:num_preemptions_total{model_name="r1"} 2.0
vllm:prompt_tokens_total{model_name="r1"} 1000.0
vllm:generation_tokens_total{model_name="r1"} 2000.0
${histogram('vllm:request_queue_time_seconds', 'model_name="r1"', { '0.3': 1, '+Inf': 2 }, 0.9)}
${histogram('vllm:time_per_output_token_seconds', 'model_name="r1"', { '0.01': 1, '+Inf': 2 }, 0.05)}
`;

/** What a vLLM to come might say: names that are in no table, beside some that are. */
export const VLLM_TO_COME = `# TYPE vllm:requests_running gauge
vllm:requests_running{model_name="r1"} 4
vllm:requests_queued{model_name="r1"} 2
vllm:kv_cache_usage_ratio{model_name="r1"} 0.5
vllm:prompt_tokens_total{model_name="r1"} 1000
vllm:generated_tokens_total{model_name="r1"} 2000
vllm:queue_duration_seconds_bucket{model_name="r1",le="+Inf"} 5
vllm:queue_duration_seconds_count{model_name="r1"} 5
vllm:queue_duration_seconds_sum{model_name="r1"} 1.5
`;

const S = 'engine_type="unified",model_name="deepseek-ai/DeepSeek-R1",pp_rank="0",tp_rank="0"';

/** SGLang 0.5, started with --enable-metrics. */
export const SGLANG = `# HELP sglang:num_running_reqs The number of running requests.
# TYPE sglang:num_running_reqs gauge
sglang:num_running_reqs{${S}} 31.0
# TYPE sglang:num_used_tokens gauge
sglang:num_used_tokens{${S}} 123859.0
# TYPE sglang:token_usage gauge
sglang:token_usage{${S}} 0.28
# TYPE sglang:gen_throughput gauge
sglang:gen_throughput{${S}} 86.5
# TYPE sglang:num_queue_reqs gauge
sglang:num_queue_reqs{${S}} 2826.0
# TYPE sglang:cache_hit_rate gauge
sglang:cache_hit_rate{${S}} 0.0075
# TYPE sglang:num_retracted_reqs gauge
sglang:num_retracted_reqs{${S}} 1.0
# TYPE sglang:num_retracted_requests_total counter
sglang:num_retracted_requests_total{${S}} 40.0
# TYPE sglang:prompt_tokens_total counter
sglang:prompt_tokens_total{${S}} 8.128902e+06
# TYPE sglang:generation_tokens_total counter
sglang:generation_tokens_total{${S}} 7.557572e+06
# TYPE sglang:cached_tokens_total counter
sglang:cached_tokens_total{${S},cache_source="device"} 60000.0
sglang:cached_tokens_total{${S},cache_source="host"} 1000.0
# TYPE sglang:num_requests_total counter
sglang:num_requests_total{${S}} 11008.0
${histogram('sglang:queue_time_seconds', S, { '0.0': 0, '0.1': 90, '1.0': 100, '+Inf': 101 }, 22.5)}
${histogram('sglang:time_to_first_token_seconds', S, { '0.1': 1, '+Inf': 11008 }, 2.35e6)}
${histogram('sglang:inter_token_latency_seconds', S, { '0.1': 7e6, '+Inf': 7.4e6 }, 3.1e5)}
${histogram('sglang:e2e_request_latency_seconds', S, { '60.0': 1000, '+Inf': 11008 }, 3.1e6)}
`;

/** As SGLang answers a scraper that asks for escaped names. */
export const SGLANG_ESCAPED = SGLANG.replaceAll('sglang:', 'sglang_');

/** llama-server of late 2026; it knows no labels. */
export const LLAMA = `# HELP llamacpp:prompt_tokens_total Number of prompt tokens processed.
# TYPE llamacpp:prompt_tokens_total counter
llamacpp:prompt_tokens_total 20000
# TYPE llamacpp:prompt_tokens_cached_total counter
llamacpp:prompt_tokens_cached_total 19425
# TYPE llamacpp:prompt_seconds_total counter
llamacpp:prompt_seconds_total 12.345
# TYPE llamacpp:tokens_predicted_total counter
llamacpp:tokens_predicted_total 81234
# TYPE llamacpp:n_decode_total counter
llamacpp:n_decode_total 40123
# TYPE llamacpp:predicted_tokens_seconds gauge
llamacpp:predicted_tokens_seconds 245.7
# TYPE llamacpp:requests_processing gauge
llamacpp:requests_processing 4
# TYPE llamacpp:requests_deferred gauge
llamacpp:requests_deferred 2
`;

/** llama-server of 2024. */
export const LLAMA_OLD = `llamacpp:prompt_tokens_total 500
llamacpp:tokens_predicted_total 800
llamacpp:kv_cache_usage_ratio 0.125
llamacpp:kv_cache_tokens 512
llamacpp:requests_processing 1
llamacpp:requests_deferred 0
`;

/** Vigil's own runtime, as it exposes itself. */
export const VIGIL = `# HELP vigil_runtime_requests_total Requests for an answer that ended, by how: ok, or the type of the error.
# TYPE vigil_runtime_requests_total counter
vigil_runtime_requests_total{outcome="ok",service="runtime"} 12
vigil_runtime_tokens_total{kind="input",service="runtime"} 340
vigil_runtime_tokens_total{kind="output",service="runtime"} 900
vigil_runtime_tokens_total{kind="reasoning",service="runtime"} 500
vigil_runtime_prefix_reused_tokens_total{service="runtime"} 40
vigil_runtime_requests_running{service="runtime"} 2
vigil_runtime_requests_waiting{service="runtime"} 5
vigil_runtime_kv_cache_usage_ratio{service="runtime"} 0.25
vigil_runtime_model_info{model="vigil-nano-r1",architecture="qwen2",device="cpu",engine="llama.cpp",service="runtime"} 1
`;

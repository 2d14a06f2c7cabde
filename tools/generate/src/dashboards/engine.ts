import type { Label } from '@vigil/signals';
import { frame, type DashboardFile } from './frame.js';
import { Kit } from './kit.js';
import { COLOURS, plain, type Limits } from './meaning.js';
import { chart, heatmap, mapped, promTable, stat, states, type Placed } from './panels.js';
import { bucketQuery, quantileQuery, rateQuery, where, type Query } from './queries.js';
import type { Language } from './words.js';

const FILTERS: readonly Label[] = ['node', 'server', 'model'];
const ENGINE = where('node', 'server');
const MODEL = where(...FILTERS);
const THIRD = { w: 8, h: 7 };
const QUARTER = { w: 6, h: 7 };

/** What engines tell of themselves: scheduler, KV cache, batch; and of Vigil's own runtime what others do not tell. */
export function engine(language: Language, limits: Limits): DashboardFile {
  const kit = new Kit(language, limits, FILTERS);
  return frame(language, {
    uid: 'vigil-engine',
    title: ['Engine', '引擎'],
    description: [
      "Scheduler, KV cache and batch of the engines that serve DeepSeek-R1: vLLM, SGLang, llama-server and Vigil's own runtime.",
      '服务 DeepSeek-R1 的引擎：调度、KV 缓存与批处理（vLLM、SGLang、llama-server 与 Vigil 运行时）。',
    ],
    filters: FILTERS,
    sql: false,
    rows: [
      { panels: figures(kit) },
      { title: ['Scheduler', '调度'], panels: scheduler(kit) },
      { title: ['KV cache', 'KV 缓存'], panels: cache(kit) },
      { title: ['Speed', '速度'], panels: speed(kit) },
      { title: ["Vigil's runtime: batch", 'Vigil 运行时：批处理'], panels: batch(kit) },
      { title: ["Vigil's runtime: memory and faults", 'Vigil 运行时：内存与故障'], panels: faults(kit) },
      { title: ['Upstreams (ENGINE=upstream)', '上游引擎（ENGINE=upstream）'], folded: true, panels: upstreams(kit) },
      { title: ['Reading the engines', '引擎指标读取'], folded: true, panels: reading(kit) },
    ],
  });
}

function figures(kit: Kit): Placed[] {
  const size = { w: 4, h: 4 };
  const sum = (title: string, description: string, expr: string, unit: string, steps = plain()) =>
    stat({ title, description, unit, queries: [{ expr, legend: title }], steps, ...size });
  return [
    sum(
      kit.say('Engines silent', '失联引擎'),
      'Engines whose metrics could not be read the last time.',
      `count(vigil_engine_up{${ENGINE}}) - sum(vigil_engine_up{${ENGINE}})`,
      'none',
      [...plain(COLOURS.good), { value: 1, color: COLOURS.bad }],
    ),
    sum(
      kit.say('Running', '处理中'),
      'Requests that the engines are answering.',
      `sum(vigil_engine_requests_running{${MODEL}})`,
      'count:requests',
    ),
    sum(
      kit.say('Waiting', '排队中'),
      'Requests that wait in the engines.',
      `sum(vigil_engine_requests_waiting{${MODEL}})`,
      'count:requests',
    ),
    kit.signalStat('engine.kv_cache.ratio', size, {
      title: kit.say('Fullest KV cache', '最满的 KV 缓存'),
      decimals: 0,
      queries: [{ expr: `max(vigil_engine_kv_cache_usage_ratio{${MODEL}})`, legend: 'fullest' }],
    }),
    sum(
      kit.say('Output tokens', '输出词元'),
      'Tokens a second that the engines generate.',
      `sum(rate(vigil_engine_tokens_total{kind="output",${MODEL}}[5m]))`,
      'count:tokens/s',
    ),
    sum(
      kit.say('Preemptions, 1 h', '抢占（1 小时）'),
      'Requests of the last hour whose KV cache was taken from them, to be computed anew.',
      `sum(increase(vigil_engine_preemptions_total{${MODEL}}[1h]))`,
      'count:requests',
    ),
  ];
}

const BY: readonly Label[] = ['server', 'model'];

function scheduler(kit: Kit): Placed[] {
  return [
    kit.signalChart('engine.requests.running', BY, QUARTER),
    kit.signalChart('engine.requests.waiting', BY, QUARTER),
    kit.signalChart('engine.preemption.rate', BY, QUARTER),
    chart({
      title: kit.say('Time in the queue', '排队时间'),
      description: 'How long requests waited in the engine, as the engine measures it.',
      unit: 's',
      queries: percentiles('vigil_engine_queue_duration_seconds'),
      ...QUARTER,
    }),
  ];
}

const percentiles = (metric: string): Query[] => [0.5, 0.95, 0.99].map((share) => quantileQuery(metric, share, MODEL));

function cache(kit: Kit): Placed[] {
  const hits = `sum by (engine, gen_ai_request_model) (rate(vigil_engine_prefix_cache_hits_total{${MODEL}}[$__rate_interval]))`;
  const asked = `sum by (engine, gen_ai_request_model) (rate(vigil_engine_prefix_cache_queries_total{${MODEL}}[$__rate_interval]))`;
  return [
    kit.signalChart('engine.kv_cache.ratio', BY, THIRD, { max: 1 }),
    chart({
      title: kit.say('Prefix cache hits', '前缀缓存命中率'),
      description:
        'Share of the tokens of prompts that were found in the prefix cache and were not read again, as engines count it.',
      unit: 'percentunit',
      max: 1,
      queries: [{ expr: `${hits} / (${asked} > 0)`, legend: '{{engine}} {{gen_ai_request_model}}' }],
      ...THIRD,
    }),
    chart({
      title: kit.say("Context in use, Vigil's runtime", '上下文使用率（Vigil 运行时）'),
      description:
        'Share of the context that holds tokens of running requests, and with it what is kept of earlier answers for their next turn.',
      unit: 'percentunit',
      max: 1,
      queries: [
        { expr: 'vigil_runtime_kv_cache_usage_ratio', legend: kit.say('in use {{instance}}', '使用中 {{instance}}') },
        { expr: 'vigil_runtime_kv_cache_held_ratio', legend: kit.say('held {{instance}}', '保留 {{instance}}') },
      ],
      ...THIRD,
    }),
  ];
}

function speed(kit: Kit): Placed[] {
  return [
    chart({
      title: kit.say('Tokens', '词元速率'),
      description: 'Tokens a second that the engines read and generated.',
      unit: 'count:tokens/s',
      queries: [rateQuery('vigil_engine_tokens_total', MODEL, ['kind'])],
      ...QUARTER,
    }),
    chart({
      title: kit.say('Time to first token', '首词元时间'),
      description: 'As the engine measures it: without what lies before it.',
      unit: 's',
      queries: percentiles('vigil_engine_time_to_first_token_seconds'),
      ...QUARTER,
    }),
    chart({
      title: kit.say('Time between tokens', '词元间隔'),
      description: 'Time between two tokens of one answer, as the engine measures it.',
      unit: 's',
      queries: percentiles('vigil_engine_inter_token_seconds'),
      ...QUARTER,
    }),
    chart({
      title: kit.say('Request duration', '请求时长'),
      description: 'From taking a request to the end of its answer, as the engine measures it.',
      unit: 's',
      queries: percentiles('vigil_engine_request_duration_seconds'),
      ...QUARTER,
    }),
  ];
}

function batch(kit: Kit): Placed[] {
  const mean = (metric: string) =>
    `sum by (instance) (rate(${metric}_sum[$__rate_interval])) / (sum by (instance) (rate(${metric}_count[$__rate_interval])) > 0)`;
  return [
    chart({
      title: kit.say('Places', '并发槽位'),
      description:
        'Requests that are answered and that wait, beside how many are answered at once as it stands (batch limit) and how many memory is kept for (slots).',
      unit: 'count:requests',
      queries: [
        { expr: 'sum(vigil_runtime_requests_running)', legend: 'running' },
        { expr: 'sum(vigil_runtime_requests_waiting)', legend: 'waiting' },
        { expr: 'sum(vigil_runtime_batch_limit)', legend: kit.say('batch limit', '批上限') },
        { expr: 'sum(vigil_runtime_slots)', legend: kit.say('slots', '槽位') },
      ],
      ...QUARTER,
    }),
    chart({
      title: kit.say('Sequences of a step', '每步序列数'),
      description: 'Mean of the sequences that were computed together in one step: the batch as it really is.',
      unit: 'count:sequences',
      queries: [{ expr: mean('vigil_runtime_step_sequences'), legend: '{{instance}}' }],
      ...QUARTER,
    }),
    chart({
      title: kit.say('Duration of a step', '每步时长'),
      description: 'One step gives every answer its next token: what a user sees as the time of a token.',
      unit: 's',
      queries: [0.5, 0.95, 0.99].map((share) => quantileQuery('vigil_runtime_step_duration_seconds', share, '')),
      ...QUARTER,
    }),
    heatmap({
      title: kit.say('Duration of a step, spread', '每步时长分布'),
      description: 'Steps that also read a prompt take longer: they show as a second band.',
      unit: 's',
      query: bucketQuery('vigil_runtime_step_duration_seconds', ''),
      ...QUARTER,
    }),
    chart({
      title: kit.say('Changes of the batch limit', '批上限变化'),
      description: 'Changes a second, by reason: steps were fast or slow, or memory ran out.',
      unit: 'count:changes/s',
      queries: [rateQuery('vigil_runtime_batch_limit_changes_total', '', ['reason'])],
      ...THIRD,
    }),
    chart({
      title: kit.say('Tokens', '词元速率'),
      description: 'Tokens a second that the runtime read and generated; reasoning is a part of the output.',
      unit: 'count:tokens/s',
      queries: [rateQuery('vigil_runtime_tokens_total', '', ['kind'])],
      ...THIRD,
    }),
    chart({
      title: kit.say('Tokens not read again', '前缀复用词元'),
      description: 'Tokens a second of prompts that were still there from an earlier turn.',
      unit: 'count:tokens/s',
      queries: [rateQuery('vigil_runtime_prefix_reused_tokens_total', '', ['instance'])],
      ...THIRD,
    }),
  ];
}

function faults(kit: Kit): Placed[] {
  const count = (metric: string) => `sum(increase(${metric}[$__rate_interval]))`;
  return [
    chart({
      title: kit.say('Memory', '内存'),
      description: "Estimated bytes of the model's weights and of the contexts, with what computing takes.",
      unit: 'bytes',
      queries: [
        { expr: 'sum(vigil_runtime_model_memory_bytes)', legend: kit.say('model', '模型') },
        { expr: 'sum(vigil_runtime_context_memory_bytes)', legend: kit.say('contexts', '上下文') },
      ],
      stacked: true,
      ...QUARTER,
    }),
    chart({
      title: kit.say('Faults of the engine', '引擎故障'),
      description: 'Deaths after which the engine was started again, and steps or deaths for want of memory.',
      unit: 'count:faults',
      queries: [
        { expr: count('vigil_runtime_engine_restarts_total'), legend: kit.say('restarts', '重启') },
        { expr: count('vigil_runtime_out_of_memory_total'), legend: kit.say('out of memory', '内存不足') },
      ],
      ...QUARTER,
    }),
    chart({
      title: kit.say('Requests of the runtime', '运行时请求'),
      description: 'Requests for an answer that ended, a second: ok, or the type of the error.',
      unit: 'reqps',
      queries: [rateQuery('vigil_runtime_requests_total', '', ['outcome'])],
      stacked: true,
      ...QUARTER,
    }),
    chart({
      title: kit.say('Spans that wait', '待发送的 span'),
      description: 'Bytes of spans on disk that the collector has not taken yet: they grow while it is away.',
      unit: 'bytes',
      queries: [{ expr: 'sum by (instance) (vigil_runtime_span_spool_bytes)', legend: '{{instance}}' }],
      ...QUARTER,
    }),
    promTable({
      title: kit.say('What is served', '所服务的模型'),
      description: "The model of each of Vigil's runtimes, and on what it runs.",
      unit: 'none',
      columns: [
        { name: 'instance', title: kit.say('Runtime', '运行时') },
        { name: 'model', title: kit.say('Model', '模型') },
        { name: 'architecture', title: kit.say('Architecture', '架构') },
        { name: 'device', title: kit.say('Device', '设备') },
        { name: 'engine', title: kit.say('Engine', '引擎') },
      ],
      query: { expr: 'vigil_runtime_model_info', legend: '' },
      w: 24,
      h: 4,
    }),
  ];
}

function upstreams(kit: Kit): Placed[] {
  return [
    chart({
      title: kit.say('Attempts', '尝试'),
      description: 'Requests sent to upstreams, a second, each retry counted, by how they ended.',
      unit: 'reqps',
      queries: [rateQuery('vigil_upstream_attempts_total', '', ['upstream', 'outcome'])],
      ...QUARTER,
    }),
    chart({
      title: kit.say('Running at upstreams', '上游处理中'),
      description: 'Requests that each upstream is answering.',
      unit: 'count:requests',
      queries: [{ expr: 'sum by (upstream) (vigil_upstream_requests_running)', legend: '{{upstream}}' }],
      ...QUARTER,
    }),
    chart({
      title: kit.say('First token of upstreams', '上游首词元时间'),
      description:
        'From sending a request to an upstream to its first token, of streams: nineteen of twenty are faster.',
      unit: 's',
      queries: [quantileQuery('vigil_upstream_time_to_first_token_seconds', 0.95, '', ['upstream'])],
      ...QUARTER,
    }),
    states({
      title: kit.say('Circuits', '熔断状态'),
      description: 'Closed: the upstream is asked. Half-open: one request tries it. Open: it is left alone.',
      unit: 'none',
      queries: [
        {
          expr: 'max by (upstream) (vigil_upstream_circuit_state{state="half-open"} + on (upstream, instance) 2 * vigil_upstream_circuit_state{state="open"})',
          legend: '{{upstream}}',
        },
      ],
      mappings: mapped(
        ['0', kit.say('closed', '闭合'), COLOURS.good],
        ['1', kit.say('half-open', '半开'), COLOURS.warning],
        ['2', kit.say('open', '断开'), COLOURS.bad],
      ),
      ...QUARTER,
    }),
  ];
}

function reading(kit: Kit): Placed[] {
  return [
    states({
      title: kit.say('Engines read', '引擎读取'),
      description: "Whether the latest reading of each engine's metrics was good.",
      unit: 'none',
      queries: [{ expr: `max by (engine) (vigil_engine_up{${ENGINE}})`, legend: '{{engine}}' }],
      mappings: mapped(['1', kit.say('read', '正常'), COLOURS.good], ['0', kit.say('silent', '失联'), COLOURS.bad]),
      ...THIRD,
    }),
    chart({
      title: kit.say('Time of a reading', '读取时长'),
      description: "What the latest reading of the engine's metrics took, a failed one too.",
      unit: 's',
      queries: [{ expr: `vigil_engine_scrape_duration_seconds{${ENGINE}}`, legend: '{{engine}}' }],
      ...THIRD,
    }),
    promTable({
      title: kit.say('Names of measures', '指标名称对照'),
      description:
        "Under which of the engine's names each measure was read, and whether that was a guess: a version that is not known yet.",
      unit: 'none',
      columns: [
        { name: 'engine', title: kit.say('Engine', '引擎') },
        { name: 'measure', title: kit.say('Measure', '指标') },
        { name: 'alias', title: kit.say('Name', '名称') },
        { name: 'guessed', title: kit.say('Guessed', '推测') },
      ],
      query: { expr: `vigil_engine_alias_info{${ENGINE}}`, legend: '' },
      ...THIRD,
    }),
  ];
}

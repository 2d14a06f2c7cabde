import { engineGauge, engineRate } from './build.js';
import type { Signal } from './types.js';

/** What engines tell of themselves at their own `/metrics`, under one name each. */
export const ENGINE_SIGNALS: readonly Signal[] = [
  engineGauge(
    {
      id: 'engine.requests.running',
      title: 'Requests in the engine',
      titleZh: '引擎处理中的请求',
      unit: '{request}',
      description: 'Requests that the engine is answering.',
    },
    'running',
    'vigil_engine_requests_running',
  ),
  engineGauge(
    {
      id: 'engine.requests.waiting',
      title: 'Requests waiting in the engine',
      titleZh: '引擎排队中的请求',
      unit: '{request}',
      description: 'Requests that wait in the engine for a place in its batch.',
    },
    'waiting',
    'vigil_engine_requests_waiting',
  ),
  engineGauge(
    {
      id: 'engine.kv_cache.ratio',
      title: 'KV cache in use',
      titleZh: 'KV 缓存使用率',
      unit: '1',
      description: 'Share of the KV cache that is in use; of several ranks the fullest.',
    },
    'kv_cache_ratio',
    'vigil_engine_kv_cache_usage_ratio',
  ),
  engineRate(
    {
      id: 'engine.preemption.rate',
      title: 'Preemptions',
      titleZh: '抢占速率',
      unit: '{request}/s',
      description: 'Requests a second whose KV cache was taken from them, to be computed anew.',
    },
    'preemption_rate',
    'vigil_engine_preemptions_total',
  ),
];

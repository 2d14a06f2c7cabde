import type { Label } from '@vigil/signals';
import { frame, type DashboardFile } from './frame.js';
import { Kit, LONG } from './kit.js';
import { plain, type Limits } from './meaning.js';
import { chart, heatmap, type Placed } from './panels.js';
import { bucketQuery, rateQuery, signalQuery, where } from './queries.js';
import type { Language } from './words.js';

const FILTERS: readonly Label[] = ['node', 'model', 'engine'];
const FILTER = where(...FILTERS);

/** How requests fare: how many, how fast, and what fails. */
export function service(language: Language, limits: Limits): DashboardFile {
  const kit = new Kit(language, limits, FILTERS);
  const size = { w: 8, h: 7 };
  return frame(language, {
    uid: 'vigil-service',
    title: ['Service', '服务'],
    description: [
      'Requests to self-hosted DeepSeek-R1: rate, errors, latency and tokens.',
      '自托管 DeepSeek-R1 的请求：速率、错误、延迟与词元。',
    ],
    filters: FILTERS,
    sql: false,
    rows: [
      { panels: figures(kit) },
      { title: ['Requests', '请求'], panels: requests(kit) },
      {
        title: ['Latency', '延迟'],
        panels: [
          kit.spreadChart('response.latency.mean', size),
          kit.spreadChart('request.first_token.mean', size),
          kit.spreadChart('request.per_output_token.mean', size),
          kit.spreadChart('request.duration.mean', size),
          kit.signalChart('request.queue.mean', ['model', 'engine'], size),
          heatmap({
            title: kit.say('Response latency, spread', '响应延迟分布'),
            description:
              'How many answers began after which time: two crowds, such as a short and a long queue, show as two bands.',
            unit: 's',
            query: bucketQuery('vigil_response_latency_seconds', FILTER),
            ...size,
          }),
        ],
      },
      { title: ['Tokens', '词元'], panels: tokens(kit) },
      {
        title: LONG,
        folded: true,
        panels: [
          kit.longChart('request.rate', ['model'], size),
          kit.longChart('request.error.ratio', ['model'], size),
          kit.longChart('token.output.rate', ['model'], size),
          kit.longChart('response.latency.mean', [], size, ['mean', 'p95']),
          kit.longChart('request.first_token.mean', [], size, ['mean', 'p95']),
          kit.longChart('request.per_output_token.mean', [], size, ['mean', 'p95']),
        ],
      },
    ],
  });
}

function figures(kit: Kit): Placed[] {
  const size = { w: 4, h: 4 };
  return [
    kit.signalStat('request.rate', size, { steps: plain() }),
    kit.signalStat('request.error.ratio', size, { decimals: 1 }),
    kit.signalStat('response.latency.mean', size),
    kit.signalStat('request.first_token.mean', size),
    kit.signalStat('request.per_output_token.mean', size),
    kit.signalStat('token.output.rate', size, { steps: plain() }),
  ];
}

function requests(kit: Kit): Placed[] {
  const size = { w: 8, h: 7 };
  return [
    chart({
      title: kit.say('Requests by outcome', '请求结果'),
      description:
        'Requests that ended, a second: ok, error (the server is answerable), rejection (a mistake of the client), cancellation (the client hung up).',
      unit: 'reqps',
      queries: [rateQuery('vigil_requests_total', FILTER, ['outcome'])],
      stacked: true,
      ...size,
    }),
    kit.signalChart('request.rate', ['model', 'engine'], size, { steps: plain() }),
    chart({
      title: kit.say('Requests by endpoint', '各端点请求'),
      description: 'Requests that ended, a second, by what was asked for.',
      unit: 'reqps',
      queries: [rateQuery('vigil_requests_total', FILTER, ['endpoint'])],
      ...size,
    }),
    kit.signalChart('request.error.ratio', ['model', 'engine'], size),
    chart({
      title: kit.say('Errors by type', '错误类型'),
      description: 'Requests that ended with an error, a second, by its type; rejections of clients have one as well.',
      unit: 'reqps',
      queries: [rateQuery('gen_ai_server_request_duration_seconds_count', `${FILTER},error_type!=""`, ['error_type'])],
      stacked: true,
      ...size,
    }),
    chart({
      title: kit.say('Rejected and cancelled', '拒绝与取消'),
      description: "Share of requests refused for a client's mistake, and share whose client hung up before the end.",
      unit: 'percentunit',
      softMax: 0.1,
      queries: [
        signalQuery(kit.signal('request.rejection.ratio'), { filters: FILTERS, legend: 'rejection' }),
        signalQuery(kit.signal('request.cancellation.ratio'), { filters: FILTERS, legend: 'cancellation' }),
      ],
      ...size,
    }),
  ];
}

function tokens(kit: Kit): Placed[] {
  const size = { w: 8, h: 7 };
  const perRequest = (kind: string) =>
    `sum(rate(gen_ai_usage_tokens_total{${FILTER},gen_ai_token_type="${kind}"}[$__rate_interval])) / (sum(rate(vigil_requests_total{${FILTER},outcome="ok"}[$__rate_interval])) > 0)`;
  return [
    chart({
      title: kit.say('Tokens', '词元速率'),
      description: 'Tokens a second that were read and generated. Reasoning is a part of the output.',
      unit: 'count:tokens/s',
      queries: ['input', 'output', 'reasoning'].map((kind) =>
        signalQuery(kit.signal(`token.${kind}.rate`), { filters: FILTERS, legend: kind }),
      ),
      ...size,
    }),
    kit.signalChart('token.output.rate', ['model', 'engine'], size, {
      title: kit.say('Output tokens by model', '各模型输出词元'),
    }),
    chart({
      title: kit.say('Tokens of a request', '每请求词元数'),
      description: 'Tokens over requests that ended well.',
      unit: 'count:tokens',
      queries: ['input', 'output', 'reasoning'].map((kind) => ({ expr: perRequest(kind), legend: kind })),
      ...size,
    }),
  ];
}

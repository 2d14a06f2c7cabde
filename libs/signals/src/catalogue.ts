import { quotient, rate, type Series } from './build.js';
import { GPU_SIGNALS } from './gpu-signals.js';
import { REQUEST_METRICS as M } from './metrics.js';
import { ENGINE_SIGNALS } from './engine-signals.js';
import { NODE_SIGNALS } from './node-signals.js';
import type { RequestMeasure, Signal } from './types.js';

const all: Series = { metric: M.requests.name };
const outcome = (value: string): Series => ({ metric: M.requests.name, where: [`outcome="${value}"`] });
const flaw = (value: string): Series => ({ metric: M.flaws.name, where: [`flaw="${value}"`] });
const tokens = (value: string): Series => ({ metric: M.tokens.name, where: [`gen_ai_token_type="${value}"`] });
const sum = (metric: { name: string }): Series => ({ metric: `${metric.name}_sum` });
const count = (metric: { name: string }): Series => ({ metric: `${metric.name}_count` });
const requests: [RequestMeasure, Series] = ['requests', all];
const answers: [RequestMeasure, Series] = ['answers', { metric: M.answers.name }];

const SERVICE: Signal[] = [
  rate(
    'service',
    {
      id: 'request.rate',
      title: 'Requests',
      titleZh: '请求速率',
      unit: '{request}/s',
      description: 'Requests that ended, a second, whatever became of them.',
    },
    'requests',
    all,
  ),
  quotient(
    'service',
    {
      id: 'request.error.ratio',
      title: 'Errors',
      titleZh: '错误率',
      unit: '1',
      description:
        "Share of requests that failed and that the server is answerable for: status 5xx or 429, an engine that died, a stream that broke. A client's own mistakes (other 4xx) and hang-ups are signals of their own.",
    },
    ['errors', outcome('error')],
    requests,
  ),
  quotient(
    'service',
    {
      id: 'request.rejection.ratio',
      title: 'Rejected requests',
      titleZh: '拒绝率',
      unit: '1',
      description: 'Share of requests refused for a mistake of the client: status 4xx other than 429.',
    },
    ['rejections', outcome('rejection')],
    requests,
  ),
  quotient(
    'service',
    {
      id: 'request.cancellation.ratio',
      title: 'Cancelled requests',
      titleZh: '取消率',
      unit: '1',
      description: 'Share of requests whose client hung up before the end.',
    },
    ['cancellations', outcome('cancellation')],
    requests,
  ),
  quotient(
    'service',
    {
      id: 'response.latency.mean',
      title: 'Response latency',
      titleZh: '响应延迟',
      unit: 's',
      description:
        'Mean time from receiving a request to the first byte of its answer: the first token of a stream, the whole of an unstreamed answer. Requests that failed do not count: they fail fast and would hide slowness.',
    },
    ['latency_sum', sum(M.latency)],
    ['latency_count', count(M.latency)],
    { of: 'latency', histogram: { metric: M.latency.name } },
  ),
  quotient(
    'service',
    {
      id: 'request.duration.mean',
      title: 'Request duration',
      titleZh: '请求时长',
      unit: 's',
      description: 'Mean time from receiving a request to the last byte of its answer, of requests that did not fail.',
    },
    ['duration_sum', { ...sum(M.duration), where: ['error_type=""'] }],
    ['duration_count', { ...count(M.duration), where: ['error_type=""'] }],
    { of: 'duration', histogram: { metric: M.duration.name, where: ['error_type=""'] } },
  ),
  quotient(
    'service',
    {
      id: 'request.first_token.mean',
      title: 'Time to first token',
      titleZh: '首词元时间',
      unit: 's',
      description: 'Mean time from receiving a request to its first output token, where it is known.',
    },
    ['first_token_sum', sum(M.firstToken)],
    ['first_token_count', count(M.firstToken)],
    { of: 'first_token', histogram: { metric: M.firstToken.name } },
  ),
  quotient(
    'service',
    {
      id: 'request.per_output_token.mean',
      title: 'Time per output token',
      titleZh: '每词元时间',
      unit: 's',
      description: 'Mean of (duration - time to first token) / (output tokens - 1).',
    },
    ['per_token_sum', sum(M.perToken)],
    ['per_token_count', count(M.perToken)],
    { of: 'per_token', histogram: { metric: M.perToken.name } },
  ),
  quotient(
    'service',
    {
      id: 'request.queue.mean',
      title: 'Queue time',
      titleZh: '排队时间',
      unit: 's',
      description: 'Mean time that a request waited before it was begun, where the server tells it.',
    },
    ['queue_sum', sum(M.queue)],
    ['queue_count', count(M.queue)],
  ),
  rate(
    'service',
    {
      id: 'token.input.rate',
      title: 'Input tokens',
      titleZh: '输入词元速率',
      unit: '{token}/s',
      description: 'Prompt tokens a second.',
    },
    'input_tokens',
    tokens('input'),
  ),
  rate(
    'service',
    {
      id: 'token.output.rate',
      title: 'Output tokens',
      titleZh: '输出词元速率',
      unit: '{token}/s',
      description: 'Generated tokens a second, reasoning among them.',
    },
    'output_tokens',
    tokens('output'),
  ),
  rate(
    'service',
    {
      id: 'token.reasoning.rate',
      title: 'Reasoning tokens',
      titleZh: '推理词元速率',
      unit: '{token}/s',
      description: 'Generated tokens a second that were reasoning.',
    },
    'reasoning_tokens',
    tokens('reasoning'),
  ),
];

const CONVERSATION: Signal[] = [
  quotient(
    'conversation',
    {
      id: 'answer.unclosed_reasoning.ratio',
      title: 'Unclosed reasoning',
      titleZh: '推理未闭合',
      unit: '1',
      description: 'Share of reasoning answers that ended without closing their reasoning.',
    },
    ['unclosed_reasonings', flaw('unclosed_reasoning')],
    ['reasonings', { metric: M.reasonings.name }],
  ),
  quotient(
    'conversation',
    {
      id: 'answer.empty.ratio',
      title: 'Empty answers',
      titleZh: '空回答',
      unit: '1',
      description: 'Share of answers with no text after the reasoning.',
    },
    ['empty_answers', flaw('empty_answer')],
    answers,
  ),
  quotient(
    'conversation',
    {
      id: 'answer.truncated.ratio',
      title: 'Truncated answers',
      titleZh: '截断回答',
      unit: '1',
      description: 'Share of answers with finish reason "length".',
    },
    ['truncated', flaw('truncated')],
    answers,
  ),
  quotient(
    'conversation',
    {
      id: 'answer.repetition.mean',
      title: 'Repetition (rep-4)',
      titleZh: '重复率 (rep-4)',
      unit: '1',
      description:
        'Mean of 1 - distinct 4-grams / all 4-grams over the words of an answer, characters for Chinese, Japanese and Korean (Welleck et al., arXiv 1908.04319).',
    },
    ['repetition_sum', sum(M.repetition)],
    ['repetition_count', count(M.repetition)],
    { of: 'repetition', histogram: { metric: M.repetition.name } },
  ),
  quotient(
    'conversation',
    {
      id: 'answer.reasoning_share.mean',
      title: 'Reasoning share',
      titleZh: '推理占比',
      unit: '1',
      description: 'Mean of reasoning tokens over output tokens.',
    },
    ['reasoning_share_sum', sum(M.reasoningShare)],
    ['reasoning_share_count', count(M.reasoningShare)],
    { of: 'reasoning_share', histogram: { metric: M.reasoningShare.name } },
  ),
];

/** Everything that Vigil measures, in the order in which it is shown. */
export const SIGNALS: readonly Signal[] = [
  ...GPU_SIGNALS,
  ...NODE_SIGNALS,
  ...SERVICE,
  ...ENGINE_SIGNALS,
  ...CONVERSATION,
];

/** A signal by its id. */
export function findSignal(id: string): Signal | undefined {
  return SIGNALS.find((signal) => signal.id === id);
}

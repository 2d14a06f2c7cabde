import type { Label } from '@vigil/signals';
import { frame, objective, type DashboardFile } from './frame.js';
import { GPU, Kit, RECORDED } from './kit.js';
import { COLOURS, plain, type Limits } from './meaning.js';
import { chart, sqlTable, stat, type Placed } from './panels.js';
import { signalQuery, where } from './queries.js';
import { firingColumns, firingSql } from './sql.js';
import type { Language } from './words.js';

const FILTERS: readonly Label[] = ['node', 'model'];

/** The three layers on one screen, what fires, and how much of the objective is left. */
export function overview(language: Language, limits: Limits): DashboardFile {
  const kit = new Kit(language, limits, FILTERS);
  return frame(language, {
    uid: 'vigil-overview',
    title: ['Overview', '总览'],
    description: [
      'GPU, service and conversation signals of self-hosted DeepSeek-R1 on one screen.',
      '自托管 DeepSeek-R1 的 GPU、服务与对话信号总览。',
    ],
    filters: FILTERS,
    sql: true,
    more: [objective(language)],
    rows: [
      { panels: figures(kit) },
      {
        title: ['Infrastructure', '基础设施'],
        panels: kit.charts(['gpu.memory.ratio', 'gpu.utilization', 'gpu.power', 'gpu.temperature'], GPU, {
          w: 6,
          h: 6,
        }),
      },
      { title: ['Service', '服务'], panels: service(kit) },
      { title: ['Conversation', '对话'], panels: conversation(kit) },
      { title: ['Alerts and objective', '告警与目标'], panels: alerts(kit) },
    ],
  });
}

/** Errors over `window` over the share that may fail. */
const burn = (kit: Kit, window: string): string =>
  `(${kit.recorded(kit.signal('request.error.ratio'), window)}) / (1 - $objective)`;

function figures(kit: Kit): Placed[] {
  const size = { w: 3, h: 4 };
  const errors30d = kit.recorded(kit.signal('request.error.ratio'), '30d');
  return [
    stat({
      title: kit.say('Alerts firing', '触发中的告警'),
      description:
        "Alerts of Vigil's rules that fire now, as the API that evaluates them tells. Empty where no API is scraped.",
      unit: 'none',
      queries: [{ expr: 'sum(vigil_alerts{state="firing"})', legend: 'firing' }],
      steps: [...plain(COLOURS.good), { value: 1, color: COLOURS.bad }],
      ...size,
    }),
    stat({
      title: kit.say('Availability, 30 d', '可用率（30 天）'),
      description: `Share of the requests of thirty days that did not fail, on whatever node and of whatever model is chosen.\n\n${RECORDED}`,
      unit: 'percentunit',
      decimals: 2,
      queries: [{ expr: `1 - ${errors30d}`, legend: 'availability' }],
      ...size,
    }),
    stat({
      title: kit.say('Error budget left', '剩余错误预算'),
      description: `How much of what may fail in thirty days has not failed yet; the objective is the variable above. Below zero more failed than the objective allows.\n\n${RECORDED}`,
      unit: 'percentunit',
      decimals: 0,
      queries: [{ expr: `1 - ${burn(kit, '30d')}`, legend: 'budget' }],
      steps: [
        { value: null, color: COLOURS.bad },
        { value: 0, color: COLOURS.warning },
        { value: 0.25, color: COLOURS.good },
      ],
      ...size,
    }),
    kit.signalStat('request.error.ratio', size, { decimals: 1 }),
    kit.signalStat('response.latency.mean', size),
    kit.signalStat('request.rate', size, { steps: plain() }),
    kit.signalStat('gpu.memory.ratio', size, {
      title: kit.say('Fullest GPU', '显存最满的 GPU'),
      decimals: 0,
      queries: [{ expr: `max(hw_gpu_memory_utilization_ratio{${where('node')}})`, legend: 'fullest' }],
    }),
    kit.signalStat('gpu.missing', size),
  ];
}

function service(kit: Kit): Placed[] {
  const size = { w: 6, h: 6 };
  const filters = FILTERS;
  const tokens = (kind: string) => signalQuery(kit.signal(`token.${kind}.rate`), { filters, legend: kind });
  return [
    chart({
      title: kit.say('Requests by outcome', '请求结果'),
      description:
        'Requests that ended, a second: ok, error (the server is answerable), rejection (a mistake of the client), cancellation (the client hung up).',
      unit: 'reqps',
      queries: [
        {
          expr: `sum by (outcome) (rate(vigil_requests_total{${where(...filters)}}[$__rate_interval]))`,
          legend: '{{outcome}}',
        },
      ],
      stacked: true,
      ...size,
    }),
    kit.signalChart('request.error.ratio', ['model'], size),
    kit.spreadChart('response.latency.mean', size, ['mean', 'p95']),
    chart({
      title: kit.say('Tokens', '词元速率'),
      description: 'Tokens a second that were read and generated. Reasoning is a part of the output.',
      unit: 'count:tokens/s',
      queries: ['input', 'output', 'reasoning'].map(tokens),
      ...size,
    }),
  ];
}

function conversation(kit: Kit): Placed[] {
  const size = { w: 8, h: 6 };
  const flaw = (id: string) => {
    const signal = kit.signal(id);
    return signalQuery(signal, { filters: FILTERS, legend: kit.language === 'zh' ? signal.titleZh : signal.title });
  };
  return [
    chart({
      title: kit.say('Flawed answers', '有缺陷的回答'),
      description:
        'Share of answers that were empty, were cut short, or ended within their reasoning (of those that reasoned).',
      unit: 'percentunit',
      softMax: 0.1,
      queries: ['answer.empty.ratio', 'answer.truncated.ratio', 'answer.unclosed_reasoning.ratio'].map(flaw),
      ...size,
    }),
    kit.signalChart('answer.repetition.mean', ['model'], size),
    kit.signalChart('answer.reasoning_share.mean', ['model'], size, { max: 1 }),
  ];
}

function alerts(kit: Kit): Placed[] {
  return [
    sqlTable({
      title: kit.say('What fires', '当前触发的告警'),
      description:
        "Alerts that fire, the latest first, as PostgreSQL keeps them. The rule's name leads to why it fired.",
      unit: 'none',
      columns: firingColumns(kit),
      sql: firingSql(),
      w: 16,
      h: 8,
    }),
    chart({
      title: kit.say('Burn rate', '错误预算消耗速率'),
      description: `How many times faster than allowed the error budget is spent: at 1 it lasts exactly thirty days. At 14.4 over an hour 2 % of it are gone in that hour; at 6 over six hours 5 %.\n\n${RECORDED}`,
      unit: 'count:times',
      softMax: 2,
      queries: ['1h', '6h'].map((window) => ({ expr: burn(kit, window), legend: window })),
      steps: [...plain(COLOURS.good), { value: 6, color: COLOURS.warning }, { value: 14.4, color: COLOURS.bad }],
      w: 8,
      h: 8,
    }),
  ];
}

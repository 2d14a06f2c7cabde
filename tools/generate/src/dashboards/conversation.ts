import type { Label } from '@vigil/signals';
import { frame, type DashboardFile } from './frame.js';
import { Kit, LONG } from './kit.js';
import { COLOURS, plain, type Limits } from './meaning.js';
import { chart, heatmap, mapped, sqlStat, sqlTable, stat, type Placed } from './panels.js';
import { bucketQuery, rateQuery, where } from './queries.js';
import type { Language } from './words.js';

const FILTERS: readonly Label[] = ['node', 'model', 'engine'];
const FILTER = where(...FILTERS);
/** The variables once more, as PostgreSQL's rows call them. */
const ROWS = `$__timeFilter(ended_at) AND node ~ '^(\${node:regex})$' AND model ~ '^(\${model:regex})$' AND engine ~ '^(\${engine:regex})$'`;

/** What answers are like. */
export function conversation(language: Language, limits: Limits): DashboardFile {
  const kit = new Kit(language, limits, FILTERS);
  const size = { w: 8, h: 7 };
  const by: readonly Label[] = ['model', 'engine'];
  return frame(language, {
    uid: 'vigil-conversation',
    title: ['Conversation', '对话'],
    description: [
      'What the answers of self-hosted DeepSeek-R1 are like: reasoning, repetition, flaws.',
      '自托管 DeepSeek-R1 的回答质量：推理、重复与缺陷。',
    ],
    filters: FILTERS,
    sql: true,
    rows: [
      { panels: figures(kit) },
      {
        title: ['Flaws', '缺陷'],
        panels: [
          ...kit.charts(['answer.unclosed_reasoning.ratio', 'answer.empty.ratio', 'answer.truncated.ratio'], by, size),
          chart({
            title: kit.say('Flaws a second', '缺陷速率'),
            description: 'Answers with each flaw, a second; one answer may have several.',
            unit: 'count:answers/s',
            queries: [rateQuery('vigil_answer_flaws_total', FILTER, ['flaw'])],
            ...size,
          }),
          ...loops(kit),
        ],
      },
      {
        title: ['Repetition and reasoning', '重复与推理'],
        panels: [
          kit.spreadChart('answer.repetition.mean', { w: 6, h: 7 }, ['mean', 'p50', 'p95']),
          heatmap({
            title: kit.say('Repetition, spread', '重复率分布'),
            description: 'How many answers repeat themselves how much.',
            unit: 'percentunit',
            query: bucketQuery('vigil_answer_repetition_ratio', FILTER),
            w: 6,
            h: 7,
          }),
          kit.spreadChart('answer.reasoning_share.mean', { w: 6, h: 7 }, ['mean', 'p50', 'p95']),
          heatmap({
            title: kit.say('Reasoning share, spread', '推理占比分布'),
            description: 'How many answers spend which share of their tokens on reasoning.',
            unit: 'percentunit',
            query: bucketQuery('vigil_answer_reasoning_share_ratio', FILTER),
            w: 6,
            h: 7,
          }),
        ],
      },
      { title: ['Answers', '回答'], panels: [flawed(kit)] },
      {
        title: LONG,
        folded: true,
        panels: [
          kit.longChart('answer.repetition.mean', [], size, ['mean', 'p95']),
          kit.longChart('answer.reasoning_share.mean', [], size, ['mean', 'p95']),
          kit.longChart('answer.truncated.ratio', ['model'], size),
          kit.longChart('answer.empty.ratio', ['model'], size),
          kit.longChart('answer.unclosed_reasoning.ratio', ['model'], size),
        ],
      },
    ],
  });
}

function figures(kit: Kit): Placed[] {
  const size = { w: 4, h: 4 };
  const rate = (title: string, description: string, metric: string) =>
    stat({
      title,
      description,
      unit: 'count:answers/s',
      queries: [{ expr: `sum(rate(${metric}{${FILTER}}[5m]))`, legend: title }],
      ...size,
    });
  return [
    rate(kit.say('Answers', '回答速率'), 'Answers that ended and could be looked at, a second.', 'vigil_answers_total'),
    rate(kit.say('Answers that reason', '含推理的回答'), 'Answers that reasoned, a second.', 'vigil_reasonings_total'),
    kit.signalStat('answer.truncated.ratio', size, { decimals: 1, steps: plain() }),
    kit.signalStat('answer.repetition.mean', size, { decimals: 1, steps: plain() }),
    sqlStat({
      title: kit.say('Conversations', '对话数'),
      description: 'Different conversations that had an answer in the range, of requests that name theirs.',
      unit: 'none',
      sql: `SELECT count(DISTINCT conversation_id) AS conversations FROM request WHERE ${ROWS}`,
      ...size,
    }),
    sqlStat({
      title: kit.say('Turns a conversation', '每对话轮数'),
      description: 'Requests over conversations, of requests that name theirs.',
      unit: 'none',
      decimals: 1,
      sql: `SELECT count(*)::float8 / nullif(count(DISTINCT conversation_id), 0) AS turns FROM request WHERE ${ROWS} AND conversation_id IS NOT NULL`,
      ...size,
    }),
  ];
}

function loops(kit: Kit): Placed[] {
  const size = { w: 8, h: 7 };
  const guarded = (title: string, description: string, metric: string) =>
    chart({
      title,
      description: `${description} Of Vigil's own runtime, all models together.`,
      unit: 'count:answers/s',
      queries: [rateQuery(metric, '', ['instance'])],
      ...size,
    });
  return [
    guarded(
      kit.say('Loops', '循环输出'),
      'Answers a second that repeated the same block again and again, whether they were ended or not.',
      'vigil_runtime_loops_total',
    ),
    guarded(
      kit.say('Reasoning cut', '推理截断'),
      'Answers a second whose reasoning was closed because its budget was spent.',
      'vigil_runtime_reasoning_cuts_total',
    ),
  ];
}

function flawed(kit: Kit): Placed {
  const yes = mapped(['true', kit.say('yes', '是'), COLOURS.warning], ['false', '', 'text']);
  return sqlTable({
    title: kit.say('Answers to look at', '值得查看的回答'),
    description:
      'Answers of the range with a flaw or with much repetition, the worst first. The time leads to the request.',
    unit: 'none',
    columns: [
      {
        name: 'time',
        title: kit.say('Time', '时间'),
        unit: 'dateTimeAsIso',
        width: 170,
        link: {
          title: kit.say('Request', '请求'),
          url: '${vigil:raw}/api/v1/requests?response_id=${__data.fields.response_id}',
        },
      },
      { name: 'model', title: kit.say('Model', '模型'), width: 180 },
      { name: 'repetition', title: kit.say('Repetition', '重复率'), unit: 'percentunit', width: 100 },
      { name: 'reasoning_share', title: kit.say('Reasoning', '推理占比'), unit: 'percentunit', width: 100 },
      { name: 'output_tokens', title: kit.say('Tokens', '词元'), unit: 'short', width: 80 },
      { name: 'truncated', title: kit.say('Truncated', '截断'), width: 90, mappings: yes },
      { name: 'empty', title: kit.say('Empty', '空'), width: 80, mappings: yes },
      { name: 'unclosed', title: kit.say('Unclosed', '未闭合'), width: 90, mappings: yes },
      { name: 'conversation', title: kit.say('Conversation', '对话') },
      { name: 'response_id', title: 'response_id', hidden: true },
    ],
    sql: `
      SELECT ended_at AS time, model, repetition, reasoning_share, output_tokens, truncated::text AS truncated,
        empty_answer::text AS empty, unclosed_reasoning::text AS unclosed, conversation_id AS conversation, response_id
      FROM request
      WHERE ${ROWS} AND (truncated OR empty_answer OR unclosed_reasoning OR repetition > 0.3)
      ORDER BY empty_answer DESC NULLS LAST, unclosed_reasoning DESC NULLS LAST, repetition DESC NULLS LAST
      LIMIT 100`,
    w: 24,
    h: 9,
  });
}

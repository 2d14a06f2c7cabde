import { frame, listed, type DashboardFile } from './frame.js';
import { Kit } from './kit.js';
import { COLOURS, plain, type Limits } from './meaning.js';
import { chart, sqlChart, sqlStat, sqlTable, stat, type Placed } from './panels.js';
import { POSTGRES, quantileQuery, rateQuery } from './queries.js';
import { alertLink, firingColumns, firingSql, labelsIn, MESSAGES, SEVERITIES, STATES } from './sql.js';
import { say, type Language } from './words.js';

const CHOSEN = `~ '^(\${rule:regex})$'`;
const RULES = `rule ${CHOSEN}`;

/** What fires, what fired, why, and who was told; and whether Vigil itself is well. */
export function incidents(language: Language, limits: Limits): DashboardFile {
  const kit = new Kit(language, limits, []);
  return frame(language, {
    uid: 'vigil-alerts',
    title: ['Alerts & incidents', '告警与事件'],
    description: [
      "Alerts of Vigil's rules, why they fired and who was told, from PostgreSQL; and whether Vigil itself is well.",
      '来自 PostgreSQL 的告警、触发原因与通知；以及 Vigil 自身的健康状况。',
    ],
    filters: [],
    sql: true,
    more: [
      listed('rule', say(language, ['Rule', '规则']), POSTGRES)
        .query(RULE_NAMES)
        .allValue('.*'),
    ],
    rows: [
      { panels: figures(kit) },
      { title: ['Alerts', '告警'], panels: alerts(kit) },
      { title: ['Incidents', '事件'], panels: history(kit) },
      { title: ['Messages', '通知'], panels: messages(kit) },
      { title: ['Is Vigil itself well?', 'Vigil 自身是否正常？'], panels: itself(kit) },
    ],
  });
}

const RULE_NAMES = 'SELECT DISTINCT rule FROM alert_transition UNION SELECT DISTINCT rule FROM alert ORDER BY 1';

function figures(kit: Kit): Placed[] {
  const size = { w: 4, h: 4 };
  const isBad = [...plain(COLOURS.good), { value: 1, color: COLOURS.bad }];
  const count = (title: string, description: string, sql: string, steps = plain()) =>
    sqlStat({ title, description, unit: 'none', sql, steps, ...size });
  return [
    count(
      kit.say('Firing', '触发中'),
      'Alerts that fire now.',
      `SELECT count(*) AS firing FROM alert WHERE state = 'firing' AND ${RULES}`,
      isBad,
    ),
    count(
      kit.say('Pending', '待定'),
      'Alerts whose condition holds, and not yet for long enough.',
      `SELECT count(*) AS pending FROM alert WHERE state = 'pending' AND ${RULES}`,
      [...plain(COLOURS.good), { value: 1, color: COLOURS.warning }],
    ),
    count(
      kit.say('Without data', '无数据'),
      'Alerts whose signal has no value: nobody knows whether all is well.',
      `SELECT count(*) AS "without data" FROM alert WHERE state = 'no_data' AND ${RULES}`,
      [...plain(COLOURS.good), { value: 1, color: COLOURS.warning }],
    ),
    count(
      kit.say('Fired in the range', '时段内触发次数'),
      'How often an alert fired in the range that is looked at.',
      `SELECT count(*) AS fired FROM alert_incident WHERE $__timeFilter(fired_at) AND ${RULES}`,
    ),
    sqlStat({
      title: kit.say('Time to resolve', '平均恢复时间'),
      description: 'Mean time from firing to resolving, of what fired in the range and is over.',
      unit: 's',
      sql: `SELECT avg(extract(epoch FROM resolved_at - fired_at))::float8 AS seconds FROM alert_incident
        WHERE $__timeFilter(fired_at) AND resolved_at IS NOT NULL AND ${RULES}`,
      ...size,
    }),
    count(
      kit.say('Messages nobody got', '未送达的通知'),
      'Messages that were given up; they can be sent again by hand.',
      `SELECT count(*) AS dead FROM notification WHERE status = 'dead'`,
      isBad,
    ),
  ];
}

function alerts(kit: Kit): Placed[] {
  return [
    sqlTable({
      title: kit.say('What fires', '当前触发的告警'),
      description: "Alerts that fire, the latest first. The rule's name leads to why it fired.",
      unit: 'none',
      columns: firingColumns(kit),
      sql: firingSql(` AND a.${RULES}`),
      w: 24,
      h: 7,
    }),
    sqlTable({
      title: kit.say('All alerts', '全部告警'),
      description: 'How every rule stands for every set of labels, what fires first.',
      unit: 'none',
      columns: [
        { name: 'rule', title: kit.say('Rule', '规则'), width: 180 },
        { name: 'labels', title: kit.say('Labels', '标签') },
        { name: 'state', title: kit.say('State', '状态'), width: 90, mappings: STATES },
        { name: 'value', title: kit.say('Value', '数值'), unit: 'short', width: 90 },
        { name: 'since', title: kit.say('Since', '开始时间'), unit: 'dateTimeFromNow', width: 130 },
      ],
      sql: `
        SELECT rule, ${labelsIn('labels')} AS labels, state, value, since FROM alert
        WHERE ${RULES}
        ORDER BY array_position(ARRAY['firing', 'pending', 'no_data', 'resolved', 'inactive'], state), since DESC
        LIMIT 500`,
      w: 14,
      h: 9,
    }),
    sqlChart({
      title: kit.say('Alerts that fired', '触发的告警'),
      description: 'How often each rule fired.',
      unit: 'count:alerts',
      sql: `
        SELECT $__timeGroup(fired_at, $__interval) AS time, rule AS metric, count(*)::float8 AS value
        FROM alert_incident
        WHERE $__timeFilter(fired_at) AND ${RULES}
        GROUP BY 1, 2
        ORDER BY 1`,
      w: 10,
      h: 9,
    }),
  ];
}

function history(kit: Kit): Placed[] {
  return [
    sqlTable({
      title: kit.say('Incidents', '事件'),
      description:
        'What fired in the range, the latest first, and what moved first. The rule leads to all that is known of it.',
      unit: 'none',
      columns: [
        { name: 'firedAt', title: kit.say('Fired', '触发时间'), unit: 'dateTimeAsIso', width: 170 },
        { name: 'rule', title: kit.say('Rule', '规则'), width: 170, link: alertLink(kit) },
        { name: 'severity', title: kit.say('Severity', '级别'), width: 90, mappings: SEVERITIES },
        { name: 'lasted', title: kit.say('Lasted', '持续时间'), unit: 's', width: 100 },
        { name: 'summary', title: kit.say('What', '内容') },
        { name: 'first', title: kit.say('Moved first', '最先变化') },
        { name: 'requests', title: kit.say('Requests', '相关请求') },
        { name: 'id', title: 'id', hidden: true },
      ],
      sql: `
        SELECT i.fired_at AS "firedAt", i.rule, t.context->>'severity' AS severity,
          extract(epoch FROM coalesce(i.resolved_at, now()) - i.fired_at)::float8 AS lasted,
          t.context->>'summary' AS summary, i.lines->>0 AS first, i.lines->>2 AS requests, i.transition_id AS id
        FROM alert_incident i JOIN alert_transition t ON t.id = i.transition_id
        WHERE $__timeFilter(i.fired_at) AND i.${RULES}
        ORDER BY i.fired_at DESC
        LIMIT 200`,
      w: 24,
      h: 9,
    }),
    sqlTable({
      title: kit.say('Changes of state', '状态变化'),
      description: 'Every change of an alert in the range, the latest first.',
      unit: 'none',
      columns: [
        { name: 'time', title: kit.say('Time', '时间'), unit: 'dateTimeAsIso', width: 150 },
        { name: 'rule', title: kit.say('Rule', '规则'), width: 150 },
        { name: 'labels', title: kit.say('Labels', '标签') },
        { name: 'from', title: kit.say('From', '从'), width: 80, mappings: STATES },
        { name: 'to', title: kit.say('To', '到'), width: 80, mappings: STATES },
        { name: 'value', title: kit.say('Value', '数值'), unit: 'short', width: 80 },
      ],
      sql: `
        SELECT at AS time, rule, ${labelsIn('labels')} AS labels, from_state AS "from", to_state AS "to", value
        FROM alert_transition
        WHERE $__timeFilter(at) AND ${RULES}
        ORDER BY at DESC
        LIMIT 500`,
      w: 14,
      h: 8,
    }),
    sqlTable({
      title: kit.say('Alerts of others', '其他告警'),
      description: 'Alerts of Alertmanagers that send them to Vigil: shown beside ours, told to nobody.',
      unit: 'none',
      columns: [
        { name: 'time', title: kit.say('Began', '开始时间'), unit: 'dateTimeFromNow', width: 110 },
        { name: 'alertname', title: kit.say('Alert', '告警'), width: 130 },
        { name: 'severity', title: kit.say('Severity', '级别'), width: 80, mappings: SEVERITIES },
        { name: 'status', title: kit.say('State', '状态'), width: 80, mappings: STATES },
        { name: 'summary', title: kit.say('What', '内容') },
      ],
      sql: `
        SELECT starts_at AS time, alertname, severity, status, annotations->>'summary' AS summary
        FROM alert_received
        WHERE $__timeFilter(updated_at)
        ORDER BY starts_at DESC
        LIMIT 200`,
      w: 10,
      h: 8,
    }),
  ];
}

function messages(kit: Kit): Placed[] {
  return [
    sqlTable({
      title: kit.say('Messages', '通知'),
      description: 'Messages of the range, the latest first: who was told, who was not, and why.',
      unit: 'none',
      columns: [
        { name: 'time', title: kit.say('Time', '时间'), unit: 'dateTimeAsIso', width: 150 },
        { name: 'channel', title: kit.say('Receiver', '接收方'), width: 120 },
        { name: 'rule', title: kit.say('Rule', '规则'), width: 150 },
        { name: 'status', title: kit.say('State', '状态'), width: 80, mappings: MESSAGES },
        { name: 'attempts', title: kit.say('Attempts', '尝试次数'), unit: 'none', width: 80 },
        { name: 'took', title: kit.say('Took', '耗时'), unit: 's', width: 80 },
        { name: 'error', title: kit.say('Error', '错误') },
      ],
      sql: `
        SELECT n.queued_at AS time, n.channel, t.rule, n.status, n.attempts,
          extract(epoch FROM n.sent_at - n.queued_at)::float8 AS took, n.last_error AS error
        FROM notification n LEFT JOIN alert_transition t ON t.id = n.transition_id
        WHERE $__timeFilter(n.queued_at) AND coalesce(t.rule, '') ${CHOSEN}
        ORDER BY n.queued_at DESC
        LIMIT 300`,
      w: 17,
      h: 8,
    }),
    chart({
      title: kit.say('Deliveries', '投递'),
      description: 'Attempts to deliver a message, a second, by result: sent, retry, dead.',
      unit: 'count:attempts/s',
      queries: [rateQuery('vigil_notifications_total', '', ['result'])],
      w: 7,
      h: 8,
    }),
  ];
}

function itself(kit: Kit): Placed[] {
  const size = { w: 6, h: 7 };
  return [
    stat({
      title: kit.say('Rules last decided', '规则评估时效'),
      description:
        'Age of what the rules were last decided on: it grows while beats fail or hang. Vigil warns at 120 s.',
      unit: 's',
      queries: [{ expr: 'time() - max(vigil_evaluation_last_timestamp_seconds)', legend: 'age' }],
      steps: [...plain(COLOURS.good), { value: 120, color: COLOURS.bad }],
      ...size,
    }),
    chart({
      title: kit.say('Time of a beat', '评估周期耗时'),
      description: 'How long it takes to evaluate all rules once.',
      unit: 's',
      queries: [0.5, 0.95].map((share) => quantileQuery('vigil_rule_evaluation_duration_seconds', share, '')),
      ...size,
    }),
    chart({
      title: kit.say('Evaluations that failed', '失败的评估'),
      description: "Evaluations of a rule that failed, a second; the rule's alerts stay as they were.",
      unit: 'count:evaluations/s',
      queries: [
        {
          expr: 'sum(rate(vigil_rule_evaluation_failures_total[$__rate_interval])) or 0 * sum(rate(vigil_rule_evaluations_total[$__rate_interval]))',
          legend: kit.say('failed', '失败'),
        },
        { expr: 'sum(rate(vigil_rule_evaluations_total[$__rate_interval]))', legend: kit.say('all', '全部') },
      ],
      ...size,
    }),
    chart({
      title: kit.say('Oldest message that waits', '最久未送通知'),
      description: 'Age of the oldest message that waits for its delivery. Vigil warns at 300 s.',
      unit: 's',
      queries: [{ expr: 'max(vigil_notification_outbox_age_seconds)', legend: kit.say('age', '时长') }],
      steps: [...plain(COLOURS.good), { value: 300, color: COLOURS.bad }],
      ...size,
    }),
    chart({
      title: kit.say('Rows stored', '写入行数'),
      description: 'Rows a second that the collector stores in PostgreSQL, by table.',
      unit: 'count:rows/s',
      queries: [rateQuery('vigil_rows_written_total', '', ['table'])],
      ...size,
    }),
    chart({
      title: kit.say('Rows given up', '丢弃行数'),
      description: 'Rows a second that were given up, by reason. All of it is loss.',
      unit: 'count:rows/s',
      queries: [rateQuery('vigil_rows_dropped_total', '', ['reason'])],
      ...size,
    }),
    chart({
      title: kit.say('Waiting on disk', '磁盘暂存'),
      description: 'Bytes that wait on disk for PostgreSQL: they grow while it is away.',
      unit: 'bytes',
      queries: [{ expr: 'sum by (table) (vigil_spool_bytes)', legend: '{{table}}' }],
      ...size,
    }),
    chart({
      title: kit.say('Scrapes', '抓取'),
      description: "1 while Prometheus can read a process's metrics.",
      unit: 'none',
      max: 1,
      queries: [{ expr: 'min by (job) (up{job=~"runtime|collector|api"})', legend: '{{job}}' }],
      ...size,
    }),
  ];
}

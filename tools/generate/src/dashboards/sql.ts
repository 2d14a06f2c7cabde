import type { Kit } from './kit.js';
import { COLOURS, SERIES_COLOURS } from './meaning.js';
import { mapped, type Column } from './panels.js';

/** An alert's labels in one cell. */
export const labelsIn = (column: string): string =>
  `(SELECT string_agg(l.key || '=' || l.value, ', ' ORDER BY l.key) FROM jsonb_each_text(${column}) l)`;

/**
 * What fires, with the id of the firing that an alert is in: `/api/v1/alerts/ID` tells of it in full.
 * @param and a further condition, such as ` AND a.rule = 'GpuLost'`
 */
export const firingSql = (and = ''): string => `
  SELECT a.rule, t.context->>'summary' AS summary, a.fired_at AS "firedAt",
    t.context->>'severity' AS severity, i.lines->>0 AS why, t.id
  FROM alert a
  LEFT JOIN LATERAL (
    SELECT id, context FROM alert_transition t
    WHERE t.scope = a.scope AND t.rule = a.rule AND t.fingerprint = a.fingerprint AND t.to_state = 'firing'
    ORDER BY id DESC LIMIT 1
  ) t ON true
  LEFT JOIN alert_incident i ON i.transition_id = t.id
  WHERE a.state = 'firing'${and}
  ORDER BY a.fired_at DESC
  LIMIT 200`;

export const alertLink = (kit: Kit) => ({
  title: kit.say('Why it fired', '触发原因'),
  url: '${vigil:raw}/api/v1/alerts/${__data.fields.id}',
});

export const firingColumns = (kit: Kit): Column[] => [
  { name: 'rule', title: kit.say('Rule', '规则'), width: 170, link: alertLink(kit) },
  { name: 'summary', title: kit.say('What', '内容') },
  { name: 'firedAt', title: kit.say('Since', '开始时间'), unit: 'dateTimeFromNow', width: 130 },
  { name: 'severity', title: kit.say('Severity', '级别'), width: 90, mappings: SEVERITIES },
  { name: 'why', title: kit.say('Why', '原因') },
  { name: 'id', title: 'id', hidden: true },
];

const coloured = (...names: string[]) =>
  mapped(...names.map((name) => [name, name, SERIES_COLOURS[name] ?? COLOURS.neutral] as const));

export const SEVERITIES = coloured('critical', 'warning', 'info');
export const STATES = coloured('firing', 'pending', 'no_data', 'inactive', 'resolved');
export const MESSAGES = coloured('sent', 'waiting', 'dead', 'held', 'skipped');

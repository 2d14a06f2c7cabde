import { render } from './template.js';
import type { Alert, Rule } from './types.js';

/** What is wrong, in the rule's words; where it fires because there are no data, that comes first. */
export function summaryOf(rule: Rule, alert: Pick<Alert, 'labels' | 'state' | 'value'>): string {
  const text = render(rule.summary, alert.labels, alert.value, rule.unit);
  return alert.state === 'firing' && alert.value === null ? `No data: ${text}` : text;
}

import { parse } from 'yaml';
import { z } from 'zod';
import { decide } from './decide.js';
import { parseDuration } from '@vigil/service';
import { render } from './template.js';
import { ALERT_STATES, type Alert, type Rule, type Transition } from './types.js';

const duration = z.string().transform((text, context) => {
  const seconds = parseDuration(text);
  if (seconds !== undefined) return seconds;
  context.addIssue({ code: 'custom', message: `"${text}" is not a duration` });
  return z.NEVER;
});

const CASES = z.strictObject({
  alert: z.string(),
  cases: z
    .array(
      z.strictObject({
        name: z.string(),
        /** Time between two beats. */
        every: duration,
        /** The signal's values, one a beat: `0.5x10 0.95x3 _x2` is ten times 0.5, three times 0.95, twice nothing. */
        series: z.array(z.strictObject({ labels: z.record(z.string(), z.string()), values: z.string() })).min(1),
        /** What people are told, in order; empty where they shall not be told anything. */
        expect: z.array(
          z.strictObject({
            at: duration,
            state: z.enum(ALERT_STATES),
            labels: z.record(z.string(), z.string()),
            summary: z.string().optional(),
          }),
        ),
      }),
    )
    .min(1),
});

export type RuleCases = z.output<typeof CASES>;
export type RuleCase = RuleCases['cases'][number];

/** Reads a file of test cases for one rule. */
export function parseRuleCases(source: string): RuleCases {
  return CASES.parse(parse(source));
}

/** One change of state that people are told of. */
export interface Told {
  /** Seconds since the case began. */
  at: number;
  state: Transition['to'];
  labels: Record<string, string>;
  summary: string;
}

/** Plays a case's series, beat by beat, and answers what people would have been told. */
export function playCase(rule: Rule, { every, series }: Pick<RuleCase, 'every' | 'series'>): Told[] {
  const played = series.map(({ labels, values }) => ({ labels, values: expand(values) }));
  const beats = Math.max(...played.map(({ values }) => values.length));
  const told: Told[] = [];
  let alerts: Alert[] = [];
  for (let beat = 0; beat < beats; beat++) {
    const readings = played.flatMap(({ labels, values }) => {
      const value = values[beat];
      return value === undefined || value === null ? [] : [{ labels, value }];
    });
    const now = new Date(beat * every * 1000);
    const decision = decide(rule, alerts, readings, now, { maxGapSeconds: every * 4, absenceCounts: true });
    alerts = decision.alerts;
    for (const { to, alert, notify } of decision.transitions) {
      if (!notify) continue;
      const summary = render(rule.summary, alert.labels, alert.value, rule.unit);
      told.push({ at: beat * every, state: to, labels: alert.labels, summary });
    }
  }
  return told;
}

/** `0.5x2 _` as values: 0.5, 0.5, nothing. */
export function expand(values: string): (number | null)[] {
  return values
    .trim()
    .split(/\s+/)
    .flatMap((word) => {
      const [, value, times] = /^(_|-?\d+(?:\.\d+)?)(?:x(\d+))?$/.exec(word) ?? [];
      if (value === undefined) throw new Error(`"${word}" is none of 0.5, 0.5x10 and _x3`);
      return Array.from({ length: Number(times ?? 1) }, () => (value === '_' ? null : Number(value)));
    });
}

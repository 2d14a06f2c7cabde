import { Counter, Gauge, Histogram, type Registry } from 'prom-client';

/** What the API says of itself. */
export type ApiMetrics = ReturnType<typeof createMetrics>;

export function createMetrics(registry: Registry) {
  const registers = [registry];
  return {
    evaluations: new Counter({
      name: 'vigil_rule_evaluations_total',
      help: 'Evaluations of a rule, failed ones among them.',
      labelNames: ['rule'],
      registers,
    }),
    evaluationFailures: new Counter({
      name: 'vigil_rule_evaluation_failures_total',
      help: 'Evaluations of a rule that failed; its alerts were left as they were.',
      labelNames: ['rule'],
      registers,
    }),
    beats: new Counter({
      name: 'vigil_evaluation_beats_total',
      help: 'Beats of the evaluator: evaluated, elsewhere (another process does it), overlap (the last one still ran), failed (PostgreSQL was away).',
      labelNames: ['result'],
      registers,
    }),
    duration: new Histogram({
      name: 'vigil_rule_evaluation_duration_seconds',
      help: 'Time that one beat over all rules took.',
      buckets: [0.005, 0.01, 0.025, 0.05, 0.1, 0.15, 0.2, 0.25, 0.5, 1, 2.5, 5, 10, 30],
      registers,
    }),
    alerts: new Gauge({
      name: 'vigil_alerts',
      help: 'Alerts by rule and state; said by the process that evaluates.',
      labelNames: ['rule', 'state'],
      registers,
    }),
    leader: new Gauge({
      name: 'vigil_evaluator_leader',
      help: '1 where this process evaluated the last beat, 0 where another one does.',
      registers,
    }),
    notifications: new Counter({
      name: 'vigil_notifications_total',
      help: 'Attempts to deliver a message, by channel and result: sent, retry, dead.',
      labelNames: ['channel', 'result'],
      registers,
    }),
    outboxWaiting: new Gauge({
      name: 'vigil_notification_outbox_waiting',
      help: 'Messages that wait for their delivery.',
      registers,
    }),
    outboxAge: new Gauge({
      name: 'vigil_notification_outbox_age_seconds',
      help: 'Age of the oldest message that waits; 0 where none does.',
      registers,
    }),
    unsent: new Gauge({
      name: 'vigil_notifications_unsent',
      help: 'Messages that nobody got, by why: dead (given up, to be sent again by hand), held (silence or quiet hours).',
      labelNames: ['status'],
      registers,
    }),
    evaluatedAt: new Gauge({
      name: 'vigil_evaluation_last_timestamp_seconds',
      help: 'When the rules were last evaluated by this process, Unix time; of several processes the latest counts.',
      registers,
    }),
    heartbeats: new Counter({
      name: 'vigil_heartbeats_total',
      help: 'Heartbeats by result: sent, failed (not taken), withheld (the rules were not evaluated, looked at each second).',
      labelNames: ['result'],
      registers,
    }),
    received: new Counter({
      name: 'vigil_alerts_received_total',
      help: 'Alerts of Alertmanagers that came in, by result: stored, own (alerts of ours, left out).',
      labelNames: ['result'],
      registers,
    }),
    incidentDuration: new Histogram({
      name: 'vigil_incident_duration_seconds',
      help: 'Time that it took to look into why an alert fired.',
      buckets: [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10],
      registers,
    }),
    incidentFailures: new Counter({
      name: 'vigil_incident_failures_total',
      help: 'Attempts to look into why an alert fired that failed.',
      registers,
    }),
    rules: new Gauge({
      name: 'vigil_rules',
      help: 'Alert rules that are in force, those that are off too, by where they stand: file or api.',
      labelNames: ['source'],
      registers,
    }),
    rulesRefused: new Gauge({
      name: 'vigil_rules_refused',
      help: 'Rules, files and folders of rules that can not be read at the moment; what was there before stays in force.',
      registers,
    }),
    silences: new Gauge({
      name: 'vigil_silences',
      help: 'Silences that are active.',
      registers,
    }),
  };
}

/** A gauge that is asked when it is scraped: it grows while nothing happens. */
export const lagGauge = (lag: () => number | undefined): Gauge =>
  new Gauge({
    name: 'vigil_evaluation_lag_seconds',
    help: 'Age of what the rules were last decided on: it grows while beats fail or hang. Only of the process that evaluates.',
    registers: [],
    collect() {
      const seconds = lag();
      if (seconds === undefined) this.remove();
      else this.set(seconds);
    },
  });

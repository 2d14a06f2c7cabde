import type { Batch } from '../batch.js';
import { attemptOf, post, type Target } from '../http.js';
import { annotationsOf, labelsOf, startsAt } from './alertmanager-form.js';
import type { Receiver } from './types.js';

/** How often it is told what fires, in seconds. */
const REFRESH_SECONDS = 60;
/** After so long without being told it takes an alert for resolved; long enough for a restart of ours. */
const EXPIRY_SECONDS = 300;

interface Payload {
  labels: Record<string, string>;
  annotations: Record<string, string>;
  startsAt: string;
  /** When it ended; null while it fires. */
  endsAt: string | null;
  generatorURL: string;
}

export interface AlertmanagerOptions {
  name: string;
  /** Where it serves, without `/api/v2`. */
  target: Target;
  bearer?: string | undefined;
}

/** Alertmanager's own API: it groups, routes and silences itself. What fires is told again, so that it does not expire. */
export const alertmanager = ({ name, target, bearer }: AlertmanagerOptions): Receiver => {
  const url = new URL(target.url);
  url.pathname = `${url.pathname.replace(/\/+$/, '')}/api/v2/alerts`;
  return {
    name,
    kind: 'alertmanager',
    where: target.url.host,
    refreshSeconds: REFRESH_SECONDS,
    render,
    deliver: async ({ payload, key, now }, options) => {
      const expiry = new Date(now.getTime() + EXPIRY_SECONDS * 1000).toISOString();
      const alerts = (payload as { alerts: Payload[] }).alerts.map((a) => ({ ...a, endsAt: a.endsAt ?? expiry }));
      const headers = { 'idempotency-key': key, ...(bearer !== undefined && { authorization: `Bearer ${bearer}` }) };
      return attemptOf(await post({ ...target, url }, headers, JSON.stringify(alerts), options));
    },
  };
};

function render(batch: Batch): { alerts: Payload[] } {
  const told = batch.kind === 'repeat' ? batch.entries : batch.entries.filter(({ isNew }) => isNew);
  return {
    alerts: told.map(({ message }) => ({
      labels: labelsOf(message),
      annotations: annotationsOf(message),
      startsAt: startsAt(message),
      endsAt: message.status === 'resolved' ? message.at.toISOString() : null,
      generatorURL: message.links.alert,
    })),
  };
}

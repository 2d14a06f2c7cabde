import type { DataSource } from 'typeorm';
import { SETTLE_SECONDS } from '../evaluate/read.js';
import { lookedAt } from './looked-at.js';
import { coursesOf, endingOf, isKnown, moversOf, standingsOf, type Subject } from './order.js';
import { readEvidence, watchedSince, type Firing } from './read.js';
import type { Incident } from './types.js';
import { windowOf, type IncidentWindow } from './window.js';

/** Looks into a firing: what moved, in which order, and which requests are behind it. */
export async function investigate(store: DataSource, firing: Firing, now: Date): Promise<Incident> {
  const window = await windowFor(store, firing, now, SETTLE_SECONDS);
  const subject: Subject = { signal: firing.signal, labels: firing.labels, ...window };
  const looked = lookedAt(firing.signal);
  const { courses: rows, requests, events } = await readEvidence(store, firing, looked, window);
  const courses = coursesOf(rows, looked, subject);
  const movers = moversOf(courses, subject);
  const iso = (time: number): string => new Date(time).toISOString();
  return {
    status: 'complete',
    reason: null,
    window: {
      from: iso(window.from),
      baselineUntil: iso(window.baselineUntil),
      activeSince: iso(window.activeSince),
      to: iso(window.to),
      step: window.step,
    },
    isKnown: isKnown(courses),
    movers,
    signals: standingsOf(courses, movers, subject),
    requests,
    events,
    ending: null,
  };
}

/** Completes an incident when its alert is over: all its requests, and what is back as it was before. */
export async function conclude(store: DataSource, firing: Firing, before: Incident, at: Date): Promise<Incident> {
  if (before.status === 'failed') return { ...before, ending: { at: at.toISOString(), signals: [] } };
  const window = await windowFor(store, firing, at, 0);
  const subject: Subject = { signal: firing.signal, labels: firing.labels, ...window };
  const looked = lookedAt(firing.signal);
  const { courses, requests, events } = await readEvidence(store, firing, looked, window);
  const ending = endingOf(before.movers, coursesOf(courses, looked, subject), at);
  return { ...before, requests, events, ending };
}

async function windowFor(store: DataSource, firing: Firing, now: Date, settleSeconds: number): Promise<IncidentWindow> {
  const whole = windowOf(firing, firing.activeSince, now, settleSeconds);
  const since = await watchedSince(store, new Date(whole.from));
  return windowOf(firing, firing.activeSince, now, settleSeconds, since);
}

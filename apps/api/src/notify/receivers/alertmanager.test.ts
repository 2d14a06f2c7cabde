import { until } from '@vigil/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ALERTMANAGER, startAlertmanager, type RunningAlertmanager } from '../../testing-alertmanager.js';
import { batch, hostile, message } from '../testing.js';
import { alertmanager } from './alertmanager.js';

describe.skipIf(ALERTMANAGER === undefined)('a real Alertmanager', () => {
  let running: RunningAlertmanager;
  let url: string;
  beforeAll(async () => {
    running = await startAlertmanager('route: { receiver: none }\nreceivers: [{ name: none }]\n');
    ({ url } = running);
  });
  afterAll(() => running.stop());

  const tell = (given: ReturnType<typeof batch>) => {
    const receiver = alertmanager({ name: 'r', target: { url: new URL(url), reach: 'private' } });
    const payload = JSON.parse(JSON.stringify(receiver.render(given, 'k')));
    const parcel = { payload, key: 'k', reference: null, isLate: false, now: new Date() };
    return receiver.deliver(parcel, { timeoutSeconds: 5, signal: new AbortController().signal });
  };
  const known = async (rule: string): Promise<any[]> => {
    const filter = encodeURIComponent(`alertname="${rule}"`);
    return (await (await fetch(`${url}/api/v2/alerts?filter=${filter}`)).json()) as any[];
  };
  const now = () => new Date();

  it('knows what fires, is reminded of the same alert, and hears of its end', async () => {
    const firing = message({ at: now(), value: 0.95 }, { firedAt: now().toISOString() });
    expect(await tell(batch([firing]))).toMatchObject({ kind: 'answered', status: 200 });
    const [first] = await known('GpuMemoryHigh');
    expect(first.labels).toMatchObject({ alertname: 'GpuMemoryHigh', node: 'gpu-1', severity: 'critical' });
    expect(Date.parse(first.endsAt) - Date.now()).toBeGreaterThan(120_000);

    await tell(batch([firing], { kind: 'repeat', entries: [{ message: firing, isNew: false }] }));
    const again = await known('GpuMemoryHigh');
    expect(again).toHaveLength(1);
    expect(again[0].fingerprint).toBe(first.fingerprint);
    expect(again[0].startsAt).toBe(first.startsAt);

    await tell(batch([{ ...firing, status: 'resolved', at: now() }]));
    await until('it to be over', async () => (await known('GpuMemoryHigh')).length === 0);
  });

  it('takes labels of every kind', async () => {
    const given = hostile({ rule: 'Hostile', at: now() });
    expect(await tell(batch([given]))).toMatchObject({ kind: 'answered', status: 200 });
    const [found] = await known('Hostile');
    expect(found.labels).toMatchObject(given.labels);
  });
});

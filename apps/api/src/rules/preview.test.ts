import { levelsOf, previewRule, type Rule } from '@vigil/rules';
import { expand, expectations, nodeOf, TIMELINES, timelineRule } from '@vigil/rules/testing';
import { createLogger, type App } from '@vigil/service';
import { connect, createStore, readSeries, writeGpuSamples, writeRequests } from '@vigil/store';
import { gpuRow, requestRow } from '@vigil/store/testing';
import { createTestDatabase, type TestDatabase } from '@vigil/testing';
import type { DataSource } from 'typeorm';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createApp } from '../app.js';
import { GPU_RULE, testConfig, writeRules } from '../testing.js';

const BEAT = 15;
const begin = Date.parse('2026-03-01T10:00:00Z');
/** What ends here ends at once in Prometheus and in the other tests; a preview sees the last reading for two minutes. */
const played = TIMELINES.map((timeline, index) => ({ timeline, index })).filter(
  ({ timeline }) => !/_/.test(timeline.samples) && !/_/.test(timeline.other ?? ''),
);

let database: TestDatabase;
let store: DataSource;
let rules: Awaited<ReturnType<typeof writeRules>>;
let app: App;
let url: string;
const now = Date.now();
const DAY = 86_400_000;
beforeAll(async () => {
  database = await createTestDatabase();
  store = createStore({ url: database.url, applicationName: 'test' });
  await connect(store, database.url);
  await writeGpuSamples(
    store,
    played.flatMap(({ timeline: { samples, other }, index }) => {
      const utilization = expand(other ?? '_');
      return expand(samples).map((ratio, beat) => {
        const time = new Date(begin + beat * BEAT * 1000);
        return gpuRow(ratio ?? 0, { time, node: nodeOf(index), utilization: utilization[beat] ?? null });
      });
    }),
  );
  // A week with a request every ten minutes, all of which failed in one hour of the third day.
  const bad = now - 5 * DAY;
  await writeRequests(
    store,
    Array.from({ length: 7 * 144 }, (_, i) => {
      const endedAt = new Date(now - 7 * DAY + i * 600_000 + 60_000);
      const failed = endedAt.getTime() >= bad && endedAt.getTime() < bad + 3_600_000;
      return requestRow({ endedAt, responseId: `r${i}`, ...(failed && { outcome: 'error', errorType: '500' }) });
    }),
  );
  rules = await writeRules({ 'gpu.yaml': GPU_RULE });
  app = createApp({
    config: testConfig({ DATABASE_URL: database.url, RULES_DIR: rules.folder, EVALUATION_INTERVAL: '1h' }),
    log: createLogger('api', 'silent'),
  });
  url = (await app.start()).api!;
});
afterAll(async () => {
  await app.stop();
  await store.destroy();
  await database.drop();
  await rules.remove();
});

describe('a preview over what is stored', () => {
  const preview = (rule: Rule, beats: number) =>
    previewRule(
      rule,
      ({ signal, aggregate, by, where: matchers }, range) =>
        readSeries(store, signal, { ...range, aggregate, by, matchers }),
      { from: new Date(begin), to: new Date(begin + beats * BEAT * 1000), step: BEAT },
    );

  it('goes through the timelines as they say, in steps of a beat', async () => {
    expect(played.length).toBeGreaterThan(50);
    for (const { timeline, index } of played) {
      const rule = timelineRule(timeline, index, BEAT);
      const { alerts } = await preview(rule, expand(timeline.samples).length + 1);
      // The reading of a beat is in the step that ends with the next one; a window ends before its beat in both.
      const shift = timeline.windowed ? 0 : 1;
      for (const [severity, wanted] of expectations(timeline)) {
        const marked = levelsOf(rule).length > 1;
        const alert = alerts.find(({ labels }) => !marked || labels.severity === severity);
        const changes = alert!.transitions.map(({ to, at }) => {
          const beat = (at.getTime() - begin) / 1000 / BEAT - shift;
          return `${to === 'resolved' ? 'inactive' : to}@${beat}`;
        });
        expect(changes.join(' '), `${timeline.name}, ${severity}`).toBe(wanted);
      }
    }
  });
});

const RULE = `alert: Failing
signal: request.error.ratio
over: 1h
condition: { above: 0.5 }
by: [model]
severity: critical
summary: '{{ $value | percent }} of the requests to {{ $labels.model }} fail'
action: docs/runbooks/error-ratio-high.md
`;

async function ask(body: string, query = ''): Promise<{ status: number; body: any }> {
  const response = await fetch(`${url}/api/v1/rules/preview${query}`, {
    method: 'POST',
    headers: { 'content-type': 'application/yaml' },
    body,
  });
  return { status: response.status, body: await response.json() };
}

describe('POST /api/v1/rules/preview', () => {
  it('says when a rule would have fired over the last week', async () => {
    const { status, body } = await ask(RULE);
    expect(status).toBe(200);
    expect(body).toMatchObject({ rule: 'Failing', unit: '1', step: 60, cutShort: null, firings: 1 });
    expect(Date.parse(body.to) - Date.parse(body.from)).toBe(7 * DAY);
    const [fired, ended] = body.alerts[0].transitions;
    expect(fired).toMatchObject({
      to: 'firing',
      told: true,
      summary: expect.stringMatching(/^\d+(\.\d)? % of the requests/),
    });
    expect(ended).toMatchObject({ from: 'firing', to: 'resolved' });
    const after = (time: string) => (Date.parse(time) - (now - 5 * DAY)) / 60_000;
    expect(after(fired.at)).toBeGreaterThan(20);
    expect(after(fired.at)).toBeLessThan(50);
    expect(after(ended.at)).toBeGreaterThan(80);
    expect(after(ended.at)).toBeLessThan(110);
    const { schemas } = ((await (await fetch(`${url}/docs-json`)).json()) as any).components;
    expect(Object.keys(body).toSorted()).toEqual(Object.keys(schemas.PreviewAnswer.properties).toSorted());
    expect(Object.keys(body.alerts[0]).toSorted()).toEqual(Object.keys(schemas.PreviewAlert.properties).toSorted());
  });

  it('of percentiles looks at every value', async () => {
    const rule = RULE.replace('request.error.ratio', 'response.latency').replace('over:', 'aggregate: p95\nover:');
    const { body } = await ask(rule.replace('0.5', '0.05'), '?from=now-6h&step=5m');
    // One in the test's rows takes 0.1 s, and so does the rest.
    expect(body).toMatchObject({ unit: 's', step: 300, cutShort: null });
    expect(body.alerts[0].max).toBeCloseTo(requestRow({}).responseLatency!);
  });

  it.each([
    ['?from=now-1y', RULE, '"from" is "now-1y"'],
    ['?from=now-40d', RULE, 'A preview goes over 32 days at the most'],
    ['?to=now-8d&from=now-7d', RULE, '"from" must lie before "to"'],
    ['?step=1ms', RULE, '"step"'],
    ['?since=now', RULE, 'There is no parameter "since"'],
    ['', RULE.replace('above', 'abov'), 'Line 4: There is no field "abov"; did you mean above?'],
  ])('%s is refused with a sentence', async (query, body, sentence) => {
    const answer = await ask(body, query);
    expect(answer.body.error.message).toContain(sentence);
    expect(answer.status).toBe(400);
  });

  it('is made one at a time', async () => {
    const both = await Promise.all([ask(RULE), ask(RULE)]);
    expect(both.map(({ status }) => status).toSorted()).toEqual([200, 503]);
    expect(both.find(({ status }) => status === 503)!.body.error.code).toBe('busy');
  });
});

import { NestFactory } from '@nestjs/core';
import { SchedulerRegistry } from '@nestjs/schedule';
import { createLogger } from '@vigil/service';
import { createTestDatabase, until, type TestDatabase } from '@vigil/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { operationOf, toRequest } from './receive/genai.js';
import { decodeJson } from './receive/json.js';
import { RetentionModule } from './retention.js';
import { scoreSpan } from './score/score.js';
import { chatSpan, jsonBody, toOtlp } from './testing.js';
import { StoreLink } from './write/store-link.js';
import { REQUESTS } from './write/tables.js';

const DAY = 86_400_000;
const log = createLogger('test', 'fatal');

let database: TestDatabase;
let link: StoreLink;
beforeAll(async () => {
  database = await createTestDatabase();
  link = new StoreLink(database.url, log);
});
afterAll(async () => {
  await link.close();
  await database.drop();
});

const days = async () =>
  (await database.query<{ day: string }>('SELECT DISTINCT ended_at::date::text AS day FROM request ORDER BY 1')).map(
    ({ day }) => day,
  );
const run = () =>
  NestFactory.createApplicationContext(RetentionModule.of({ link, retention: 30 * 86_400, log }), { logger: false });

describe('retention', () => {
  it('drops what is older at the start, and again every hour', async () => {
    const away = await run();
    await away.close();

    await link.start();
    const today = Date.now();
    const spans = [0, 29, 32, 400].map((age) => chatSpan({ end: today - age * DAY }));
    const rows = decodeJson(jsonBody(toOtlp(spans))).map((span) =>
      toRequest(span, operationOf(span)!, { labels: (labels) => labels, score: scoreSpan }),
    );
    await REQUESTS.write(link.store, rows);
    expect(await days()).toHaveLength(4);
    const context = await run();
    await until('the old days to be gone', async () => (await days()).length === 2);
    expect(await days()).toEqual([29, 0].map((age) => new Date(today - age * DAY).toISOString().slice(0, 10)));
    expect(context.get(SchedulerRegistry, { strict: false }).getIntervals()).toHaveLength(1);
    await context.close();
  });
});

import { readFile } from 'node:fs/promises';
import { errorMessage, parseDuration, parseTime } from '@vigil/service';
import { describeProblem, parseRule, PreviewError, previewRule, type Preview, type Rule } from '@vigil/rules';
import { connectionProblem, createStore, isStatementTimeout, readSeries } from '@vigil/store';
import { UsageError } from '../options.js';

export const API_URL = 'http://127.0.0.1:8080';

/** Seconds. The API gives itself ten. */
const API_SECONDS = 60;
const STATEMENT_SECONDS = 10;
const DATABASE_BUDGET_SECONDS = 60;

export interface PreviewFlags {
  from?: string;
  to?: string;
  step?: string;
  api?: string;
  database?: string;
}

/** What the API answers: a preview with its times as text. */
export type PreviewAnswer = Omit<Preview, 'from' | 'to' | 'alerts'> & {
  from: string;
  to: string;
  alerts: (Omit<Preview['alerts'][number], 'transitions'> & {
    transitions: (Omit<Preview['alerts'][number]['transitions'][number], 'at'> & { at: string })[];
  })[];
};

/** @returns what would have been, or why there is no answer: sentences */
export async function preview(file: string, flags: PreviewFlags): Promise<PreviewAnswer | string> {
  const text = await readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
    throw new UsageError(`The file ${file} can't be read (${error.code}).`);
  });
  const { rule, problems } = parseRule(text, file);
  if (!rule) return problems.map(describeProblem).join('\n');
  const database = flags.database ?? (flags.api === undefined ? process.env['DATABASE_URL'] : undefined);
  return database ? fromDatabase(rule, database, flags) : fromApi(text, flags.api ?? API_URL, flags);
}

async function fromApi(text: string, api: string, { from, to, step }: PreviewFlags): Promise<PreviewAnswer | string> {
  if (!URL.canParse(api) || !/^https?:/.test(api))
    throw new UsageError(`--api is "${api}": an http(s) URL is expected.`);
  const query = new URLSearchParams({ ...(from && { from }), ...(to && { to }), ...(step && { step }) });
  const url = `${api.replace(/\/+$/, '')}/api/v1/rules/preview?${query}`;
  let response: Response;
  try {
    response = await fetch(url, {
      method: 'POST',
      headers: { 'content-type': 'application/yaml' },
      body: text,
      signal: AbortSignal.timeout(API_SECONDS * 1000),
    });
  } catch (error) {
    const { cause } = error as { cause?: unknown };
    return `No API of Vigil answers at ${api} (${errorMessage(cause ?? error)}). Start it, or name another with --api, or a database with --database.`;
  }
  const body = (await response.json().catch(() => ({}))) as PreviewAnswer & { error?: { message?: string } };
  if (response.ok) return body;
  return body.error?.message ?? `The API at ${api} answers ${response.status}.`;
}

async function fromDatabase(rule: Rule, url: string, flags: PreviewFlags): Promise<PreviewAnswer | string> {
  const now = new Date();
  const time = (name: 'from' | 'to', preset: Date): Date => {
    const given = flags[name];
    const read = given === undefined ? preset : parseTime(given, now);
    if (read) return read;
    throw new UsageError(`--${name} is "${given}": a time such as 2026-03-01T10:00:00Z, now or now-1h is expected.`);
  };
  const to = time('to', now);
  const from = time('from', new Date(to.getTime() - 7 * 86_400_000));
  const step = flags.step === undefined ? 60 : parseDuration(flags.step);
  if (step === undefined) throw new UsageError(`--step is "${flags.step}": a duration such as 1m is expected.`);
  const store = createStore({ url, applicationName: 'vigil preview', statementSeconds: STATEMENT_SECONDS });
  try {
    // It only reads: the schema is the API's to bring up to date.
    await store.initialize();
  } catch (error) {
    return connectionProblem(error, url);
  }
  try {
    const answer = await previewRule(
      rule,
      async ({ signal, aggregate, by, where: matchers }, range) => {
        try {
          return await readSeries(store, signal, { ...range, aggregate, by, matchers });
        } catch (error) {
          if (isStatementTimeout(error)) return undefined;
          throw error;
        }
      },
      { from, to: to < now ? to : now, step, budgetSeconds: DATABASE_BUDGET_SECONDS },
    );
    return JSON.parse(JSON.stringify(answer)) as PreviewAnswer;
  } catch (error) {
    if (error instanceof PreviewError) return error.message;
    return `The database can't be read (${errorMessage(error)}).`;
  } finally {
    await store.destroy();
  }
}

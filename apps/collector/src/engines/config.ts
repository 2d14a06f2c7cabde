import { duration, UserError } from '@vigil/service';
import { z } from 'zod';

/** What the reader of engines' metrics reads from its environment. */
export const engineConfig = {
  ENGINE_METRICS: z
    .string()
    .optional()
    .describe(
      "Engines whose own metrics are read: name=URL, parted by spaces, such as r1=http://10.0.0.5:8000/metrics. vLLM's, SGLang's (--enable-metrics) and llama-server's (--metrics) are understood, and those of Vigil's runtime",
    ),
  ENGINE_INTERVAL: duration('15s', 0.5).describe("Time between two readings of an engine's metrics, at least 500ms"),
  ENGINE_TIMEOUT: duration('5s', 0.1).describe("Deadline of one reading of an engine's metrics"),
};

export interface EngineTarget {
  /** As labels and logs call it. */
  name: string;
  /** Without user and password. */
  url: string;
  /** `Authorization`, where the URL had a user. */
  authorization: string | undefined;
}

const ENGINES_MAX = 200;

/**
 * Reads `ENGINE_METRICS`.
 * @throws UserError a sentence that names the entry; it shows no URL, which may hold a password
 */
export function parseEngines(text: string | undefined): EngineTarget[] {
  const entries = (text ?? '').split(/\s+/).filter((entry) => entry !== '');
  if (entries.length > ENGINES_MAX) throw new UserError(`ENGINE_METRICS names more than ${ENGINES_MAX} engines.`);
  const targets = entries.map((entry, index) => {
    const match = /^([a-z0-9][a-z0-9._-]{0,62})=(.+)$/i.exec(entry);
    if (!match)
      throw new UserError(
        `ENGINE_METRICS, entry ${index + 1}: name=URL is expected, the name of letters, digits, ".", "_" and "-", such as r1=http://10.0.0.5:8000/metrics.`,
      );
    return { name: match[1]!, ...readUrl(match[1]!, match[2]!) };
  });
  const names = targets.map(({ name }) => name);
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (twice !== undefined)
    throw new UserError(`ENGINE_METRICS, "${twice}": the name is given twice; choose another for one of the two.`);
  return targets;
}

function readUrl(name: string, text: string): { url: string; authorization: string | undefined } {
  let url: URL | undefined;
  try {
    url = new URL(text);
  } catch {
    url = undefined;
  }
  if (!url || !/^https?:$/.test(url.protocol))
    throw new UserError(`ENGINE_METRICS, "${name}": a URL that begins with http:// or https:// is expected.`);
  const { username, password } = url;
  const credentials = Buffer.from(`${decode(username)}:${decode(password)}`).toString('base64');
  url.username = url.password = '';
  if (url.pathname === '/') url.pathname = '/metrics';
  return { url: url.href, authorization: username === '' && password === '' ? undefined : `Basic ${credentials}` };
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

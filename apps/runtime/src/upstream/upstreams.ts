import { UserError } from '@vigil/service';

/** What kinds of server there are, each with how `gen_ai.provider.name` calls it. */
export const PROVIDERS = {
  vllm: 'vllm',
  sglang: 'sglang',
  'llama-server': 'llama.cpp',
  ollama: 'ollama',
  deepseek: 'deepseek',
  siliconflow: 'siliconflow',
  openai: 'openai',
  other: 'openai-compatible',
} as const;

export type Kind = keyof typeof PROVIDERS;

/** One server that answers requests. */
export interface Upstream {
  /** As metrics, logs and errors call it. */
  name: string;
  /** Base of its API, without a slash at the end, such as `http://10.0.0.5:8000/v1`. */
  url: string;
  /** undefined: its address does not tell, so it is asked. */
  kind: Kind | undefined;
  /** Its share among those of its tier. */
  weight: number;
  /** Those of a lower tier are asked first. */
  tier: number;
  /** Sent as a bearer token; never to be shown. */
  key: string | undefined;
  /** What it calls the model. */
  model: string | undefined;
  /** Ask it for usage at the end of streams. */
  usage: boolean;
}

type Environment = Readonly<Record<string, string | undefined>>;

const OPTIONS = ['weight', 'tier', 'key', 'model', 'kind', 'usage'] as const;
const EXAMPLE = 'gpu=http://10.0.0.5:8000/v1;weight=2 backup=https://api.deepseek.com;tier=2;key=DEEPSEEK_API_KEY';

/**
 * Reads `UPSTREAMS`: `name=URL;option=value;…`, parted by white space.
 * @param env where `key=NAME` finds the key itself
 * @throws UserError a sentence that names the upstream and the option; never what an option holds, which may be a
 * secret in the wrong place
 */
export function parseUpstreams(text: string | undefined, env: Environment): Upstream[] {
  const entries = (text ?? '').split(/\s+/).filter((entry) => entry !== '');
  if (entries.length === 0)
    throw new UserError(`ENGINE=upstream needs UPSTREAMS: where requests are answered, such as "${EXAMPLE}".`);
  const upstreams = entries.map((entry, index) => parseEntry(entry, index + 1, env));
  const names = upstreams.map(({ name }) => name);
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (twice !== undefined) throw wrong(twice, 'the name is given twice; choose another for one of the two');
  return upstreams;
}

const wrong = (name: string, what: string): UserError => new UserError(`UPSTREAMS, "${name}": ${what}.`);

function parseEntry(entry: string, position: number, env: Environment): Upstream {
  const [head, ...rest] = entry.split(';');
  const match = /^([a-z0-9][a-z0-9._-]{0,62})=(.+)$/i.exec(head!);
  if (!match)
    throw new UserError(
      `UPSTREAMS, entry ${position}: name=URL is expected, the name of letters, digits, ".", "_" and "-", such as "${EXAMPLE}".`,
    );
  const name = match[1]!;
  const given: Partial<Record<(typeof OPTIONS)[number], string>> = {};
  for (const part of rest.filter((option) => option !== '')) {
    const at = part.indexOf('=');
    const option = OPTIONS.find((known) => known === part.slice(0, Math.max(at, 0)));
    if (!option) throw wrong(name, `after its URL only ${OPTIONS.join('=, ')}= may follow, parted by ";"`);
    if (given[option] !== undefined) throw wrong(name, `${option}= is given twice`);
    given[option] = part.slice(at + 1);
  }
  const url = baseUrl(name, match[2]!);
  return {
    name,
    url: url.text,
    kind: kindOf(name, given.kind) ?? kindByHost(url.host),
    weight: number(name, 'weight', given.weight, 1, 1000),
    tier: number(name, 'tier', given.tier, 1, 100),
    key: keyOf(name, given.key, env),
    model: modelOf(name, given.model),
    usage: usageOf(name, given.usage),
  };
}

function baseUrl(name: string, text: string): { text: string; host: string } {
  let url: URL;
  try {
    url = new URL(text);
  } catch {
    throw wrong(name, 'its URL can not be read; http://host:port/v1 is expected');
  }
  if (!/^https?:$/.test(url.protocol)) throw wrong(name, 'its URL must begin with http:// or https://');
  if (url.username !== '' || url.password !== '' || url.search !== '' || url.hash !== '')
    throw wrong(name, 'its URL may hold no user, password or query; put a key into a variable and name it in key=');
  const path = url.pathname.replace(/\/+$/, '');
  return { text: `${url.origin}${path === '' ? '/v1' : path}`, host: url.hostname };
}

function kindOf(name: string, given: string | undefined): Kind | undefined {
  if (given === undefined) return undefined;
  if (!Object.hasOwn(PROVIDERS, given)) throw wrong(name, `kind= is one of ${Object.keys(PROVIDERS).join(', ')}`);
  return given as Kind;
}

function kindByHost(host: string): Kind | undefined {
  if (/(^|\.)deepseek\.com$/.test(host)) return 'deepseek';
  if (/(^|\.)siliconflow\.(cn|com)$/.test(host)) return 'siliconflow';
  return /(^|\.)openai\.com$/.test(host) ? 'openai' : undefined;
}

function number(name: string, option: string, given: string | undefined, min: number, max: number): number {
  const value = Number(given ?? 1);
  if (!Number.isInteger(value) || value < min || value > max)
    throw wrong(name, `${option}= is a whole number from ${min} to ${max}`);
  return value;
}

function keyOf(name: string, variable: string | undefined, env: Environment): string | undefined {
  if (variable === undefined) return undefined;
  if (!/^[A-Z_][A-Z0-9_]*$/.test(variable))
    throw wrong(name, 'key= is the name of a variable that holds the key, not the key itself');
  const key = env[variable]?.trim();
  if (key === undefined || key === '') throw wrong(name, `its key is looked for in ${variable}, which is not set`);
  // Anything else could not be sent in a header.
  if (!/^[\x21-\x7e]+$/.test(key)) throw wrong(name, `${variable} holds characters that no key has`);
  return key;
}

function modelOf(name: string, given: string | undefined): string | undefined {
  if (given === '') throw wrong(name, 'model= is empty');
  if (given !== undefined && given.length > 200) throw wrong(name, 'model= has more than 200 characters');
  return given;
}

function usageOf(name: string, given: string | undefined): boolean {
  if (given !== undefined && given !== 'ask' && given !== 'never') throw wrong(name, 'usage= is ask or never');
  return given !== 'never';
}

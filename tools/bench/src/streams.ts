import { Agent, request, type IncomingMessage } from 'node:http';
import { UserError } from '@vigil/service';

export interface Load {
  url: string;
  model: string;
  /** OpenAI's chat, or llama-server's own API: over OpenAI's it ends answers that make no sense. */
  api: 'chat' | 'native';
  /** Streams at once; each asks again when it is answered, until all have had so many answers. */
  streams: number;
  rounds: number;
  /** Characters of a prompt, which are as many tokens for a model without merges. */
  prompt: number;
  /** Tokens of an answer. */
  tokens: number;
}

export interface StreamFigures {
  /** From the first request to the end of the last answer. */
  seconds: number;
  tokens: number;
  /** Milliseconds from sending a request to its first token. */
  first: number[];
  /** Milliseconds between a client's reads of two tokens. */
  gaps: number[];
}

/** A connection a request: some servers close theirs after a number of requests, in the middle of the next. */
const agent = new Agent({ keepAlive: false });

/** Answers in streams, as clients read them. @throws UserError where one fails */
export async function runStreams(load: Load): Promise<StreamFigures> {
  const figures: StreamFigures = { seconds: 0, tokens: 0, first: [], gaps: [] };
  const began = performance.now();
  await Promise.all(
    Array.from({ length: load.streams }, async () => {
      for (let round = 0; round < load.rounds; round++) await runStream(load, figures);
    }),
  );
  figures.seconds = (performance.now() - began) / 1000;
  return figures;
}

let prompts = 0;

/** As R1's template has it, so that both read as many tokens; the server itself adds what a text begins with. */
const templated = (text: string): string => `<｜User｜>${text}<｜Assistant｜><think>\n`;

/** One answer. No two prompts begin alike, so that nothing of them is still there. */
export async function runStream(load: Load, figures: StreamFigures): Promise<void> {
  const sent = performance.now();
  const text = `${++prompts} `.padEnd(load.prompt, 'abcdefghij');
  // As DeepSeek advises, and as llama-server presets the last.
  const common = { stream: true, ignore_eos: true, temperature: 0.6, top_p: 0.95, top_k: 40 };
  const [path, asked] =
    load.api === 'native'
      ? ['completion', { prompt: templated(text), n_predict: load.tokens, cache_prompt: false }]
      : [
          'v1/chat/completions',
          {
            model: load.model,
            messages: [{ role: 'user', content: text }],
            stream_options: { include_usage: true },
            max_tokens: load.tokens,
          },
        ];
  const response = await post(`${load.url}/${path}`, JSON.stringify({ ...common, ...asked }));
  const total =
    load.api === 'native' ? /"stop":true.*"tokens_predicted":(\d+)/ : /"usage":\{[^}]*"completion_tokens":(\d+)/;
  let last: number | undefined;
  let tail = '';
  // No more is parsed than must be: the client shares the machine with what it measures.
  for await (const bytes of response as AsyncIterable<Buffer>) {
    const now = performance.now();
    const text = tail + bytes.toString('latin1');
    const end = text.lastIndexOf('\n\n') + 2;
    if (end < 2) {
      tail = text;
      continue;
    }
    tail = text.slice(end);
    const events = text.slice(0, end).split('\n\n').slice(0, -1);
    for (const event of events) {
      const usage = total.exec(event);
      if (event.startsWith('data: {"error"')) throw new UserError(`An answer broke off: ${event}`);
      if (usage) figures.tokens += Number(usage[1]);
      else if (event === 'data: [DONE]') continue;
      else if (last === undefined) figures.first.push(now - sent);
      else figures.gaps.push(now - last);
      last = now;
    }
  }
}

/** Waits for an answer as long as it takes. @throws UserError where it is refused */
export function post(url: string, body: string): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const headers = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) };
    request(url, { method: 'POST', agent, headers }, (response) => {
      if (response.statusCode === 200) resolve(response);
      else reject(new UserError(`The runtime answered ${response.statusCode}.`));
    })
      .on('error', reject)
      .end(body);
  });
}

import OpenAI from 'openai';

const CONVERSATIONS: readonly (readonly string[])[] = [
  [
    'My city is Lisbon and I run two GPUs.',
    'How do I see when one of them runs out of memory?',
    'And who tells me at night?',
  ],
  ['你好，你能做什么？', '响应变慢的时候会发生什么？'],
  ['Explain time to first token in one sentence.', 'Why does it matter for a reasoning model?'],
  ['What does an unclosed reasoning look like?', 'How often is too often?'],
];

export interface Tally {
  sent: number;
  answered: number;
  refused: number;
  failed: number;
  /** Response ids of everything that the server accepted. */
  ids: Set<string>;
}

export const emptyTally = (): Tally => ({ sent: 0, answered: 0, refused: 0, failed: 0, ids: new Set() });

/** Real conversations with the official `openai` client. */
export class Traffic {
  private readonly client: OpenAI;
  readonly tally = emptyTally();
  private turns = 0;

  constructor(
    baseURL: string,
    private readonly model: string,
    private readonly stopped: AbortSignal,
  ) {
    this.client = new OpenAI({ baseURL, apiKey: 'not-needed', maxRetries: 0, timeout: 30_000 });
  }

  /** Whole conversations, one after the other, streamed, until told to stop. */
  async talk(until: AbortSignal): Promise<void> {
    while (!until.aborted && !this.stopped.aborted) {
      const id = `demo-${this.turns++}`;
      const messages: OpenAI.ChatCompletionMessageParam[] = [];
      for (const content of CONVERSATIONS[this.turns % CONVERSATIONS.length]!) {
        messages.push({ role: 'user', content });
        const answer = await this.ask(messages, id, true);
        messages.push({ role: 'assistant', content: answer });
        await pause(150);
      }
    }
  }

  /** As many clients as given, each asking again as soon as it is answered: more than the runtime can take. */
  async overload(clients: number, until: AbortSignal): Promise<void> {
    const client = async (n: number): Promise<void> => {
      while (!until.aborted && !this.stopped.aborted) {
        const before = this.tally.refused + this.tally.failed;
        await this.ask([{ role: 'user', content: `Question ${n}: is my GPU full?` }], `demo-load-${n}`, n % 3 === 0);
        if (this.tally.refused + this.tally.failed > before) await pause(400);
      }
    };
    await Promise.all(Array.from({ length: clients }, (_, n) => client(n)));
  }

  private async ask(
    messages: OpenAI.ChatCompletionMessageParam[],
    conversation: string,
    stream: boolean,
  ): Promise<string> {
    this.tally.sent++;
    const headers = { 'x-conversation-id': conversation };
    try {
      let answer = '';
      if (stream) {
        const chunks = await this.client.chat.completions.create(
          { model: this.model, messages, stream: true },
          { headers },
        );
        for await (const chunk of chunks) {
          this.tally.ids.add(chunk.id);
          answer += chunk.choices[0]?.delta.content ?? '';
        }
      } else {
        const completion = await this.client.chat.completions.create({ model: this.model, messages }, { headers });
        this.tally.ids.add(completion.id);
        answer = completion.choices[0]?.message.content ?? '';
      }
      this.tally.answered++;
      return answer;
    } catch (error) {
      if (error instanceof OpenAI.APIError && error.status === 429) this.tally.refused++;
      else this.tally.failed++;
      return '';
    }
  }
}

export const pause = (ms: number): Promise<void> => new Promise((done) => setTimeout(done, ms));

/** The model that the runtime serves. */
export async function firstModel(baseURL: string): Promise<string> {
  const models = await new OpenAI({ baseURL, apiKey: 'not-needed' }).models.list();
  const model = models.data[0];
  if (!model) throw new Error(`The runtime at ${baseURL} names no model.`);
  return model.id;
}

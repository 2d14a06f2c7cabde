import OpenAI from 'openai';

/** What the bundled model can do: keep what it is told, calculate, and say what it was not told. */
const CONVERSATIONS: readonly (readonly string[])[] = [
  ['My name is Ada.', 'My city is Lisbon.', 'What is 347 + 286?', 'Which city am I from?', 'What is my name?'],
  ['你好', '我的城市是成都。', '25 + 17 等于多少？', '我的城市是哪里？'],
  ['Hello!', 'My dog is called Rex.', 'What is 12 x 7?', 'What is my dog called?', 'What is my favourite colour?'],
];

export interface Tally {
  sent: number;
  answered: number;
  refused: number;
  failed: number;
  /** Response ids of everything that the server accepted. */
  ids: Set<string>;
}

/** Clients at first, how many come beside them at a time, and how many there are at the most. */
export interface Rush {
  clients: number;
  more: number;
  most: number;
}

/** Share of refused requests at which no more clients come. */
const ENOUGH_REFUSED = 0.2;

/** A few lines of a log, no two alike: what was read for another request does not shorten the reading of this one. */
const pasted = (n: number): string =>
  Array.from(
    { length: 8 },
    (_, i) => `${n}.${i}: gpu ${(n * 7 + i) % 8} uses ${(n * 31 + i * 17) % 100} % of its memory`,
  ).join('\n');

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

  /**
   * Clients that each ask again as soon as they are answered; more of them come until the runtime refuses a good part,
   * whatever it can take.
   */
  async overload({ clients, more, most }: Rush, until: AbortSignal): Promise<void> {
    const over = (): boolean => until.aborted || this.stopped.aborted;
    let asked = 0;
    const client = async (n: number): Promise<void> => {
      while (!over()) {
        const before = this.tally.refused + this.tally.failed;
        const content = `${pasted(++asked)}\nQuestion ${n}: is my GPU full?`;
        await this.ask([{ role: 'user', content }], `demo-load-${n}`, n % 3 === 0);
        if (this.tally.refused + this.tally.failed > before) await pause(400);
      }
    };
    const running: Promise<void>[] = [];
    const add = (count: number): void => {
      for (let i = 0; i < count && running.length < most; i++) running.push(client(running.length));
    };
    add(clients);
    while (!over()) {
      const { sent, refused } = this.tally;
      await pause(3_000);
      if (this.tally.refused - refused < ENOUGH_REFUSED * (this.tally.sent - sent)) add(more);
    }
    await Promise.all(running);
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

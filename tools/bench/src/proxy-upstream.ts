import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/*
 * An engine that computes nothing: streams as many tokens as it is asked for, each with the moment at which it was
 * handed to the network. Started by the proxy benchmark in a process of its own.
 */

interface Ask {
  tokens: number;
  /** Milliseconds between two tokens of a stream. */
  interval: number;
  /** All streams get their token in one step, as of an engine that batches; else each at its own time. */
  inStep: boolean;
}

/** A short prompt on a fast GPU; no engine says its first token at once. */
const PREFILL_MS = 20;
const HEADERS = { 'content-type': 'text/event-stream', 'cache-control': 'no-cache' };
const head = '"id":"chatcmpl-bench","object":"chat.completion.chunk","created":1,"model":"bench"';

class Stream {
  private said = 0;

  constructor(
    private readonly response: ServerResponse,
    private readonly ask: Ask,
  ) {
    response.writeHead(200, HEADERS);
  }

  /** @returns false once it has ended */
  step(): boolean {
    if (this.response.destroyed) return false;
    if (this.said++ < this.ask.tokens) {
      // The monotonic clock is one for all processes of a machine.
      const content = `${process.hrtime.bigint()} `;
      this.response.write(
        `data: {${head},"choices":[{"index":0,"delta":{"content":"${content}"},"finish_reason":null}]}\n\n`,
      );
      return true;
    }
    this.response.write(`data: {${head},"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\n`);
    this.response.end('data: [DONE]\n\n');
    return false;
  }
}

const inStep = new Set<Stream>();
let beat: NodeJS.Timeout | undefined;

function run(stream: Stream, ask: Ask): void {
  if (!ask.inStep) {
    setTimeout(() => {
      stream.step();
      const timer = setInterval(() => {
        if (!stream.step()) clearInterval(timer);
      }, ask.interval);
    }, PREFILL_MS);
    return;
  }
  inStep.add(stream);
  beat ??= setInterval(() => {
    for (const other of inStep) if (!other.step()) inStep.delete(other);
    if (inStep.size > 0) return;
    clearInterval(beat);
    beat = undefined;
  }, ask.interval);
}

const server = createServer(async (request, response) => {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  if (request.url === '/v1/models') return response.end('{"data":[{"id":"bench","owned_by":"vllm"}]}');
  if (request.url !== '/v1/chat/completions') return response.end('{}');
  const { bench } = JSON.parse(Buffer.concat(chunks).toString()) as { bench: Ask };
  return run(new Stream(response, bench), bench);
});
server.keepAliveTimeout = 120_000;
server.listen(0, '127.0.0.1', () => process.send?.((server.address() as AddressInfo).port));
process.on('disconnect', () => process.exit(0));

import { once } from 'node:events';
import { createServer } from 'node:http';

/** What Slack's incoming webhooks take: a fallback text and blocks. */
export interface SlackMessage {
  text?: string;
  blocks?: unknown[];
  attachments?: { color?: string; blocks?: unknown[] }[];
}

export interface Receiver {
  url: string;
  close(): Promise<void>;
}

/** A server on loopback that takes messages as Slack would, and answers `ok`. */
export async function startReceiver(onMessage: (message: SlackMessage) => void): Promise<Receiver> {
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      try {
        onMessage(JSON.parse(Buffer.concat(chunks).toString()) as SlackMessage);
        response.end('ok');
      } catch {
        response.writeHead(400).end('invalid_payload');
      }
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  return {
    url: `http://127.0.0.1:${port}/services/demo`,
    close: async () => {
      server.closeAllConnections();
      server.close();
    },
  };
}

/** The words of a message as a person would read them in Slack, line by line. */
export function readable(message: SlackMessage): string[] {
  const blocks = [...(message.blocks ?? []), ...(message.attachments ?? []).flatMap((a) => a.blocks ?? [])];
  const texts = blocks.flatMap(collectTexts).flatMap((text) => text.split('\n'));
  const lines = texts.length > 0 ? texts : (message.text ?? '').split('\n');
  return lines
    .map((line) =>
      line
        .replaceAll(/<([^|>]+)\|([^>]+)>/g, '$2 ($1)')
        .replaceAll(/[*`]|:[a-z_]+: ?/g, '')
        .replaceAll('&lt;', '<')
        .replaceAll('&gt;', '>')
        .replaceAll('&amp;', '&')
        .trim(),
    )
    .filter((line) => line !== '');
}

function collectTexts(block: unknown): string[] {
  if (Array.isArray(block)) return block.flatMap(collectTexts);
  if (typeof block !== 'object' || block === null) return [];
  const { text, fields, elements } = block as { text?: unknown; fields?: unknown; elements?: unknown };
  const own = typeof text === 'string' ? [text] : collectTexts(text);
  return [...own, ...collectTexts(fields), ...collectTexts(elements)];
}

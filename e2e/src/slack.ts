import { once } from 'node:events';
import { createServer } from 'node:http';

export interface SlackServer {
  url: string;
  /** Bodies as they came, oldest first. */
  messages: Record<string, unknown>[];
  close(): Promise<void>;
}

/** Slack's servers can't be had here: one that takes what an incoming webhook takes, and answers as it does. */
export async function startSlack(): Promise<SlackServer> {
  const messages: Record<string, unknown>[] = [];
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      messages.push(JSON.parse(Buffer.concat(chunks).toString()) as Record<string, unknown>);
      response.end('ok');
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as { port: number }).port}/services/T0/B0/e2e`,
    messages,
    close: async () => {
      server.closeAllConnections();
      server.close();
    },
  };
}

import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders, type ServerResponse } from 'node:http';
import type { Target } from '../http.js';

/** A server on loopback that answers as the services do. For tests. */
export interface Service {
  url: string;
  calls: { path: string; headers: IncomingHttpHeaders; body: any }[];
  /** What the next requests are answered; afterwards that all is well. */
  script: ((response: ServerResponse) => void)[];
  target(path: string, reach?: Target['reach']): Target;
  close(): Promise<void>;
}

export async function startService(): Promise<Service> {
  const calls: Service['calls'] = [];
  const script: Service['script'] = [];
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const path = request.url!;
      calls.push({ path, headers: request.headers, body: JSON.parse(Buffer.concat(chunks).toString() || 'null') });
      const answer = script.shift() ?? json(good(path));
      answer(response);
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const url = `http://127.0.0.1:${(server.address() as { port: number }).port}`;
  return {
    url,
    calls,
    script,
    target: (path, reach = 'private') => ({ url: new URL(`${url}${path}`), reach }),
    close: async () => {
      if (!server.listening) return;
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

export const json =
  (body: object, status = 200, headers: Record<string, string> = {}) =>
  (response: ServerResponse): void =>
    void response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(body));

/** What each service says when all is well. */
function good(path: string): object {
  if (path.includes('/chat.')) return { ok: true, channel: 'C1', ts: '111.222' };
  if (path.startsWith('/feishu')) return { code: 0, msg: 'success', data: {} };
  return { errcode: 0, errmsg: 'ok' };
}

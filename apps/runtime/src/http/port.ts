import { once } from 'node:events';
import { createServer } from 'node:net';
import { listenError } from '@vigil/service';

/**
 * Tries the port before anything else is done: loading a model can take minutes, and a second runtime by mistake must
 * not touch the first one's files.
 * @throws UserError that names the port and its variable
 */
export async function assertPortFree(host: string, port: number, variable: string): Promise<void> {
  if (port === 0) return;
  const server = createServer();
  try {
    server.listen(port, host);
    await once(server, 'listening');
  } catch (error) {
    throw listenError(error, host, port, variable);
  }
  server.close();
  await once(server, 'close');
}

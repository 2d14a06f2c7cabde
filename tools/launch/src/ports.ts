import { once } from 'node:events';
import { createServer } from 'node:net';
import { listenError } from '@vigil/service';

/** A port that is free now; whoever wants it should take it soon. */
export async function freePort(host: string): Promise<number> {
  const probe = createServer().listen(0, host);
  await once(probe, 'listening');
  const { port } = probe.address() as { port: number };
  probe.close();
  await once(probe, 'close');
  return port;
}

/**
 * Tries a port out before a process is started on it.
 * @throws UserError a sentence on why nobody can listen there, naming the variable to change
 */
export async function assertFree(host: string, port: number, variable: string): Promise<void> {
  const probe = createServer();
  try {
    probe.listen(port, host);
    await once(probe, 'listening');
  } catch (error) {
    throw listenError(error, host, port, variable);
  } finally {
    probe.close();
  }
}

/** A host as it stands in a URL. */
export const urlHost = (host: string): string => (host.includes(':') ? `[${host}]` : host);

/** Where a process that listens on `host` is reached from this machine. */
export const reachable = (host: string): string => (host === '0.0.0.0' ? '127.0.0.1' : host === '::' ? '::1' : host);

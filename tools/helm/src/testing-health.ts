import { createLogger, createRegistry, createWeb, Health, Lifecycle, listen } from '@vigil/service';

class Nothing {}

/** What every process of Vigil serves beside its own: health and metrics. */
export async function serveHealth(whenOver: (stop: () => Promise<void>) => void): Promise<string> {
  const log = createLogger('test', 'error');
  const lifecycle = new Lifecycle(log);
  whenOver(() => lifecycle.stop());
  const module = { module: Nothing };
  const web = await createWeb({ module, health: new Health(), registry: createRegistry('test', '0'), log, lifecycle });
  return listen(web, '127.0.0.1', 0, 'TEST_PORT');
}

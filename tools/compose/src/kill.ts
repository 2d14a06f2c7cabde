import { until } from '@vigil/testing';
import type { Project } from './project.js';

/**
 * Kills the main process of a service's container as a crash would, past the engine (which takes `docker kill` for an order
 * and does not restart), and waits until it is back and healthy.
 * @throws Error where this machine does not show the container's process
 */
export async function killed(project: Project, service: string): Promise<void> {
  const before = await project.container(service);
  process.kill(before.pid, 'SIGKILL');
  await until(
    `${service} to be started again`,
    async () => {
      const now = await project.container(service);
      return now.restarts > before.restarts && now.status === 'running';
    },
    60,
  );
  await project.healthy(service);
}

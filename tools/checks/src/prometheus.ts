import { spawnSync } from 'node:child_process';
import { findProgram } from '@vigil/launch';

/**
 * Some tests compare with a real Prometheus, or talk to a real Alertmanager. In CI, where they can be installed, they are.
 * @returns a sentence on what there is
 */
export function providePrometheus(): string {
  const isThere = findProgram('prometheus') !== undefined;
  const mayInstall = process.getuid?.() === 0 && findProgram('apt-get') !== undefined;
  if (isThere && (!process.env.CI || !mayInstall || findProgram('prometheus-alertmanager')))
    return 'Prometheus is there: its answers are compared with ours.';
  if (!process.env.CI)
    return 'No Prometheus on the PATH: tests that compare with it are left out (Debian: apt-get install prometheus).';
  if (!mayInstall) return 'No Prometheus, and none can be installed here: tests that compare with it are left out.';
  const environment = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  for (const args of [
    ['update', '-qq'],
    ['install', '-y', '-qq', '--no-install-recommends', 'prometheus', 'prometheus-alertmanager'],
  ])
    spawnSync('apt-get', args, { stdio: 'ignore', env: environment, timeout: 180_000 });
  return findProgram('prometheus')
    ? 'Prometheus is there, newly installed: its answers are compared with ours.'
    : 'Prometheus could not be installed: tests that compare with it are left out.';
}

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { ROOT } from '@vigil/launch';
import { parseAllDocuments, stringify } from 'yaml';

export const CHART = join(ROOT, 'deploy', 'helm', 'vigil');

/** An object of Kubernetes, as far as the checks need to know all kinds alike. */
export interface KubernetesObject {
  apiVersion: string;
  kind: string;
  metadata: {
    name: string;
    namespace?: string;
    labels?: Record<string, string>;
    annotations?: Record<string, string>;
  };
  [key: string]: any;
}

/** Helm refused the chart or its values; the message is what it says. */
export class HelmError extends Error {
  override readonly name = 'HelmError';
}

/** Runs Helm. @throws HelmError */
export async function runHelm(
  helm: string,
  args: readonly string[],
  input = '',
  environment: Record<string, string> = {},
): Promise<string> {
  const child = spawn(helm, args, { stdio: 'pipe', env: { ...process.env, ...environment } });
  child.stdin.end(input);
  const [out, error, [code]] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'exit')]);
  if (code !== 0) throw new HelmError(error.trim());
  return out;
}

/**
 * What `helm template` makes of the chart, as release `test` in namespace `vigil`. Without a cluster `lookup` finds nothing.
 * @param values beside the presets
 * @throws HelmError
 */
export async function render(helm: string, values: object): Promise<KubernetesObject[]> {
  const args = ['template', 'test', CHART, '--namespace', 'vigil', '--values', '-'];
  const documents = parseAllDocuments(await runHelm(helm, args, stringify(values)));
  for (const { errors } of documents as { errors: readonly Error[] }[]) if (errors[0]) throw errors[0];
  return documents.map((document) => document.toJS() as KubernetesObject | null).filter((object) => object !== null);
}

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { PrometheusRule, ServiceMonitor } from '@kubernetes-models/prometheus-operator/monitoring.coreos.com/v1';
import { DaemonSet, Deployment, StatefulSet } from 'kubernetes-models/apps/v1';
import { Ingress, NetworkPolicy } from 'kubernetes-models/networking.k8s.io/v1';
import { PodDisruptionBudget } from 'kubernetes-models/policy/v1';
import { ConfigMap, Secret, Service, ServiceAccount } from 'kubernetes-models/v1';
import { ROOT } from '@vigil/launch';
import type { KubernetesObject } from './render.js';

interface Model {
  new (data: any): { validate(): void };
  readonly apiVersion: string;
  readonly kind: string;
}

const MODELS: readonly Model[] = [
  ConfigMap,
  DaemonSet,
  Deployment,
  Ingress,
  NetworkPolicy,
  PodDisruptionBudget,
  PrometheusRule,
  Secret,
  Service,
  ServiceAccount,
  ServiceMonitor,
  StatefulSet,
] as unknown as readonly Model[];

/** How an object is called in messages. */
export const nameOf = ({ kind, metadata }: KubernetesObject): string => `${kind} ${metadata.name}`;

const modelOf = ({ apiVersion, kind }: KubernetesObject): Model | undefined =>
  MODELS.find((model) => model.apiVersion === apiVersion && model.kind === kind);

/** What Kubernetes' own schemas, and the Prometheus operator's, have against the objects: types, needed fields, enumerations. */
export function checkSchemas(objects: readonly KubernetesObject[]): string[] {
  return objects.flatMap((object) => {
    const Model = modelOf(object);
    if (!Model) return [`${nameOf(object)}: ${object.apiVersion} has no such kind that is known here.`];
    try {
      new Model(object).validate();
      return [];
    } catch (error) {
      return [`${nameOf(object)}: ${(error as Error).message}`];
    }
  });
}

/**
 * Fields that no schema knows. JSON schemas of Kubernetes let them pass (and a server drops them), so the objects are
 * written as literals of the interfaces made from these schemas, where the TypeScript compiler refuses them.
 */
export async function checkFields(objects: readonly KubernetesObject[]): Promise<string[]> {
  const folder = await mkdtemp(join(ROOT, 'node_modules', '.cache', 'vigil-helm-fields-'));
  try {
    const file = join(folder, 'objects.ts');
    await writeFile(file, literals(objects));
    const options = [
      '--noEmit',
      '--strict',
      '--skipLibCheck',
      '--target',
      'esnext',
      '--module',
      'nodenext',
      '--ignoreConfig',
    ];
    const tsc = spawn(process.execPath, [
      join(ROOT, 'node_modules', 'typescript', 'bin', 'tsc'),
      ...options,
      '--pretty',
      'false',
      '--types',
      '',
      file,
    ]);
    const [out] = await Promise.all([text(tsc.stdout), once(tsc, 'exit')]);
    return out.split('\n').filter((line) => /error TS/.test(line));
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

function literals(objects: readonly KubernetesObject[]): string {
  const imports = new Map<string, string>();
  const lines = objects.map((object, index) => {
    const [group, version] = object.apiVersion.includes('/') ? object.apiVersion.split('/') : ['', object.apiVersion];
    const library = group === 'monitoring.coreos.com' ? '@kubernetes-models/prometheus-operator' : 'kubernetes-models';
    const module = [library, group, version].filter((part) => part !== '').join('/');
    imports.set(object.kind, `import type { I${object.kind} } from '${module}';`);
    return `export const object${index}: I${object.kind} = ${JSON.stringify(object, null, 1)};`;
  });
  return [...imports.values(), ...lines].join('\n');
}

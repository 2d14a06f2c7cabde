import { configSchema as apiSchema } from '@vigil/api/config';
import { configSchema as collectorSchema } from '@vigil/collector/config';
import { configSchema as runtimeSchema } from '@vigil/runtime/config';
import { readConfig, UserError } from '@vigil/service';
import { containers, workloads } from './pods.js';
import type { KubernetesObject } from './render.js';
import { nameOf } from './schemas.js';

const SCHEMAS = { api: apiSchema, collector: collectorSchema, runtime: runtimeSchema };

/** Variables that are not Vigil's own: those of NVIDIA's container runtime and of the system. */
const FOREIGN = new Set(['HOME', 'NVIDIA_VISIBLE_DEVICES', 'NVIDIA_DRIVER_CAPABILITIES']);

/** Stand-ins for what Kubernetes fills in at the start. */
const FILLED: Readonly<Record<string, string>> = {
  DATABASE_URL: 'postgres://vigil:x@db:5432/vigil',
  API_KEYS: 'a-key-of-some-length',
  NODE_NAME: 'node-1',
};

/** Variables of Vigil's processes as Kubernetes would give them, by container. */
export function environmentOf(container: Record<string, any>): Record<string, string> {
  return Object.fromEntries(container.env.map(({ name, value }: any) => [name, value ?? FILLED[name] ?? '']));
}

/** Variables that a process does not know, is given twice, or would refuse at its start. A sentence each. */
export function checkEnvironment(objects: readonly KubernetesObject[]): string[] {
  return workloads(objects).flatMap((workload) =>
    containers(workload).flatMap((container) => {
      const schema = SCHEMAS[container.name as keyof typeof SCHEMAS];
      if (!schema) return [];
      const names: string[] = container.env.map(({ name }: any) => name);
      const problems = [
        ...names.filter((name, i) => names.indexOf(name) !== i).map((name) => `${name} is set twice.`),
        ...names
          .filter((name) => !FOREIGN.has(name) && !(name in schema.shape))
          .map((name) => `${name} is no variable of the ${container.name}.`),
        ...refusal(schema, environmentOf(container)),
      ];
      return problems.map((problem) => `${nameOf(workload)}: ${problem}`);
    }),
  );
}

function refusal(schema: (typeof SCHEMAS)[keyof typeof SCHEMAS], environment: Record<string, string>): string[] {
  try {
    readConfig(schema, environment);
    return [];
  } catch (error) {
    if (error instanceof UserError) return [error.message];
    throw error;
  }
}

import type { KubernetesObject } from './render.js';
import { containers, workloads } from './pods.js';
import { nameOf } from './schemas.js';

type Labels = Record<string, string>;

const matches = (selector: Labels, labels: Labels = {}): boolean =>
  Object.entries(selector).every(([name, value]) => labels[name] === value);

const podLabels = (workload: KubernetesObject): Labels => workload.spec.template.metadata.labels;

/** What is wrong between objects: who selects whom, by which port, and what is referred to. A sentence each. */
export function checkWiring(objects: readonly KubernetesObject[], outside: readonly string[] = []): string[] {
  return [
    ...names(objects),
    ...selectors(objects),
    ...services(objects),
    ...serviceMonitors(objects),
    ...policies(objects),
    ...ingresses(objects),
    ...references(objects, outside),
    ...addresses(objects),
    ...secrets(objects),
  ];
}

const of = (objects: readonly KubernetesObject[], kind: string): KubernetesObject[] =>
  objects.filter((object) => object.kind === kind);

function names(objects: readonly KubernetesObject[]): string[] {
  const all = objects.map(nameOf);
  return [
    ...all.filter((name, index) => all.indexOf(name) !== index).map((name) => `${name}: there are two of that name.`),
    ...workloads(objects)
      // Of a StatefulSet's name and a hash comes a label, which has at most 63 characters.
      .filter(({ metadata }) => metadata.name.length > 52)
      .map((object) => `${nameOf(object)}: the name is too long for what Kubernetes appends.`),
    ...of(objects, 'ConfigMap')
      .filter((object) => Buffer.byteLength(JSON.stringify(object)) > 2 ** 20)
      .map((object) => `${nameOf(object)}: it is larger than a ConfigMap may be.`),
  ];
}

function selectors(objects: readonly KubernetesObject[]): string[] {
  const all = workloads(objects);
  return all.flatMap((workload) => {
    const selector: Labels = workload.spec.selector.matchLabels;
    const others = all.filter((other) => other !== workload && matches(selector, podLabels(other)));
    return [
      ...(matches(selector, podLabels(workload)) ? [] : [`${nameOf(workload)}: it does not select its own pods.`]),
      ...others.map((other) => `${nameOf(workload)}: it selects the pods of ${nameOf(other)} too.`),
    ];
  });
}

function services(objects: readonly KubernetesObject[]): string[] {
  return of(objects, 'Service').flatMap((service) => {
    const selected = workloads(objects).filter((workload) => matches(service.spec.selector, podLabels(workload)));
    if (selected.length === 0) return [`${nameOf(service)}: it selects no pod.`];
    return service.spec.ports.flatMap(({ targetPort }: any) =>
      selected
        .filter((workload) => !hasPort(workload, targetPort))
        .map((workload) => `${nameOf(service)}: ${nameOf(workload)} has no port ${targetPort}.`),
    );
  });
}

const hasPort = (workload: KubernetesObject, port: string | number): boolean =>
  containers(workload).some(({ ports }) => ports.some((p: any) => p.name === port || p.containerPort === port));

function serviceMonitors(objects: readonly KubernetesObject[]): string[] {
  return of(objects, 'ServiceMonitor').flatMap((monitor) => {
    const selected = of(objects, 'Service').filter(({ metadata }) =>
      matches(monitor.spec.selector.matchLabels, metadata.labels),
    );
    // Two services before the same pods would have each scraped twice.
    if (selected.length !== 1) return [`${nameOf(monitor)}: it selects ${selected.length} services, not one.`];
    const ports = selected[0]!.spec.ports.map(({ name }: any) => name);
    return monitor.spec.endpoints
      .filter(({ port }: any) => !ports.includes(port))
      .map(({ port }: any) => `${nameOf(monitor)}: ${nameOf(selected[0]!)} has no port ${port}.`);
  });
}

function policies(objects: readonly KubernetesObject[]): string[] {
  return of(objects, 'NetworkPolicy').flatMap((policy) => {
    const selected = workloads(objects).filter((w) => matches(policy.spec.podSelector.matchLabels, podLabels(w)));
    if (selected.length === 0) return [`${nameOf(policy)}: it selects no pod.`];
    const open: (string | number)[] = policy.spec.ingress.flatMap(({ ports }: any) =>
      ports.map(({ port }: any) => port),
    );
    return selected.flatMap((workload) => [
      ...open
        .filter((port) => !hasPort(workload, port))
        .map((port) => `${nameOf(policy)}: ${nameOf(workload)} has no port ${port}.`),
      ...containers(workload)
        .flatMap(({ ports }) => ports.map(({ name }: any) => name))
        .filter((name: string) => !open.includes(name))
        .map((name: string) => `${nameOf(policy)}: it lets nobody to the port ${name} of ${nameOf(workload)}.`),
    ]);
  });
}

function ingresses(objects: readonly KubernetesObject[]): string[] {
  return of(objects, 'Ingress').flatMap((ingress) =>
    ingress.spec.rules.flatMap(({ http }: any) =>
      http.paths.flatMap(({ backend }: any) => {
        const service = of(objects, 'Service').find(({ metadata }) => metadata.name === backend.service.name);
        const has = service?.spec.ports.some(({ name }: any) => name === backend.service.port.name);
        return has ? [] : [`${nameOf(ingress)}: there is no service ${backend.service.name} with that port.`];
      }),
    ),
  );
}

/** Secrets, ConfigMaps, service accounts and claims that pods name: made by the chart, or named by values (`outside`). */
function references(objects: readonly KubernetesObject[], outside: readonly string[]): string[] {
  const present = new Map(objects.map((object) => [nameOf(object), object]));
  const problems: string[] = [];
  for (const workload of workloads(objects)) {
    const need = (kind: string, name: string, key?: string): void => {
      if (outside.includes(`${kind} ${name}`) || name === 'default') return;
      const found = present.get(`${kind} ${name}`);
      if (!found) problems.push(`${nameOf(workload)}: there is no ${kind} ${name}.`);
      else if (key !== undefined && found.data?.[key] === undefined)
        problems.push(`${nameOf(workload)}: ${kind} ${name} has no ${key}.`);
    };
    const pod = workload.spec.template.spec;
    need('ServiceAccount', pod.serviceAccountName);
    if (workload.kind === 'StatefulSet') need('Service', workload.spec.serviceName);
    for (const { name } of pod.imagePullSecrets ?? []) need('Secret', name);
    for (const { configMap, secret, persistentVolumeClaim } of pod.volumes ?? []) {
      if (configMap) need('ConfigMap', configMap.name);
      if (secret) for (const { key } of secret.items) need('Secret', secret.secretName, key);
      if (persistentVolumeClaim) need('PersistentVolumeClaim', persistentVolumeClaim.claimName);
    }
    for (const { env, envFrom } of containers(workload)) {
      for (const { valueFrom } of env)
        if (valueFrom?.secretKeyRef) need('Secret', valueFrom.secretKeyRef.name, valueFrom.secretKeyRef.key);
      for (const { secretRef, configMapRef } of envFrom ?? [])
        need(secretRef ? 'Secret' : 'ConfigMap', (secretRef ?? configMapRef).name);
    }
  }
  return problems;
}

/** Addresses within the release: each host is a service of it (or a pod by its name), each port one of its. */
function addresses(objects: readonly KubernetesObject[]): string[] {
  const services = of(objects, 'Service');
  const texts = workloads(objects).flatMap((workload) =>
    containers(workload).flatMap(({ env }) =>
      env.map(({ value }: any) => [nameOf(workload), String(value ?? '')] as const),
    ),
  );
  const urls = of(objects, 'Secret').flatMap((secret) =>
    Object.values<string>(secret.data).map((data) => [nameOf(secret), Buffer.from(data, 'base64').toString()] as const),
  );
  return [...texts, ...urls].flatMap(([where, value]) =>
    [...value.matchAll(/\w+:\/\/(?:[^@/\s]*@)?(test-vigil[\w-]*)(?:\.([\w-]+))?:(\d+)/g)].flatMap(
      ([url, host, domain, port]) => {
        const service = services.find(({ metadata }) => metadata.name === (domain ?? host));
        if (!service?.spec.ports.some((p: any) => p.port === Number(port)))
          return [`${where}: ${url.replace(/\/\/.*@/, '//')} is no service of the chart.`];
        if (domain === undefined) return [];
        const [, set, index] = /^(.+)-(\d+)$/.exec(host!) ?? [];
        const owner = of(objects, 'StatefulSet').find(({ metadata }) => metadata.name === set);
        return owner?.spec.serviceName === domain && Number(index) < owner!.spec.replicas
          ? []
          : [`${where}: there is no pod ${host}.${domain}.`];
      },
    ),
  );
}

/** Nothing that stands in a Secret stands anywhere else. */
function secrets(objects: readonly KubernetesObject[]): string[] {
  const values = of(objects, 'Secret').flatMap((secret) =>
    Object.values<string>(secret.data).map((data) => Buffer.from(data, 'base64').toString()),
  );
  return objects
    .filter(({ kind }) => kind !== 'Secret')
    .filter((object) => values.some((value) => JSON.stringify(object).includes(value)))
    .map((object) => `${nameOf(object)}: it shows what stands in a Secret.`);
}

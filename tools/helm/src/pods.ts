import { nameOf } from './schemas.js';
import type { KubernetesObject } from './render.js';

/** Paths that libs/service answers in every process. A test asks a real one for them. */
export const HEALTH_PATHS: readonly string[] = ['/health/live', '/health/ready'];

const WORKLOADS = ['DaemonSet', 'Deployment', 'StatefulSet'];

export const workloads = (objects: readonly KubernetesObject[]): KubernetesObject[] =>
  objects.filter(({ kind }) => WORKLOADS.includes(kind));

/** Every container of a workload. */
export const containers = (workload: KubernetesObject): Record<string, any>[] => workload.spec.template.spec.containers;

/** What is wrong with pods taken one by one: images, resources, probes, security, volumes. A sentence each. */
export function checkPods(objects: readonly KubernetesObject[]): string[] {
  return workloads(objects).flatMap((workload) => {
    const pod = workload.spec.template.spec;
    const own = [
      ...(pod.enableServiceLinks === false ? [] : ['enableServiceLinks is not false.']),
      ...(pod.automountServiceAccountToken === false ? [] : ["the service account's token is mounted."]),
      ...(pod.hostNetwork || pod.hostPID || pod.hostIPC ? ['it shares a namespace with its node.'] : []),
      ...volumes(workload),
    ];
    const inner = containers(workload).flatMap((container) =>
      [...image(container), ...resources(container), ...probes(container), ...security(pod, container)].map(
        (problem) => `${container.name}: ${problem}`,
      ),
    );
    return [...own, ...inner].map((problem) => `${nameOf(workload)}: ${problem}`);
  });
}

function image({ image }: Record<string, any>): string[] {
  const tag = /@sha256:[0-9a-f]{64}$|:([\w.-]+)$/.exec(image);
  return tag === null || tag[1] === 'latest' ? [`the image ${image} names no version.`] : [];
}

function resources({ resources }: Record<string, any>): string[] {
  const wanted = [
    ['requests', 'cpu'],
    ['requests', 'memory'],
    ['limits', 'memory'],
  ] as const;
  return wanted
    .filter(([kind, what]) => !resources?.[kind]?.[what])
    .map(([kind, what]) => `it has no ${kind} of ${what}.`);
}

function probes(container: Record<string, any>): string[] {
  const ports = new Set(container.ports.map(({ name }: { name: string }) => name));
  return ['startupProbe', 'readinessProbe', 'livenessProbe'].flatMap((name) => {
    const probe = container[name];
    if (!probe) return [`it has no ${name}.`];
    const { port, path } = probe.httpGet ?? probe.tcpSocket ?? {};
    return [
      ...(port !== undefined && !ports.has(port) ? [`${name} asks the port ${port}, which it does not have.`] : []),
      ...(path !== undefined && !HEALTH_PATHS.includes(path)
        ? [`${name} asks for ${path}, which nobody answers.`]
        : []),
    ];
  });
}

/** As Kubernetes' restricted standard for pods says; but who follows the kernel's log is privileged, and reads only. */
function security(pod: Record<string, any>, container: Record<string, any>): string[] {
  const own = container.securityContext ?? {};
  const followsKernel = (container.volumeMounts ?? []).some(({ mountPath }: any) => mountPath === '/dev/kmsg');
  const always = own.readOnlyRootFilesystem === true ? [] : ['its root file system can be written to.'];
  if (followsKernel) return always;
  return [
    ...always,
    ...(pod.securityContext?.runAsNonRoot === true && own.runAsNonRoot !== false ? [] : ['it may run as root.']),
    ...(pod.securityContext?.seccompProfile?.type === 'RuntimeDefault' ? [] : ['it has no seccomp profile.']),
    ...(own.allowPrivilegeEscalation === false && !own.privileged ? [] : ['it may gain privileges.']),
    ...(own.capabilities?.drop?.includes('ALL') && !own.capabilities.add ? [] : ['it keeps capabilities.']),
  ];
}

function volumes(workload: KubernetesObject): string[] {
  const pod = workload.spec.template.spec;
  const claims = (workload.spec.volumeClaimTemplates ?? []).map(({ metadata }: any) => metadata.name);
  const declared: string[] = [...(pod.volumes ?? []).map(({ name }: any) => name), ...claims];
  const mounts: any[] = containers(workload).flatMap(({ volumeMounts }) => volumeMounts ?? []);
  const paths = mounts.map(({ mountPath }) => mountPath);
  const ofNode = (pod.volumes ?? []).filter(({ name, hostPath }: any) => hostPath && name !== 'data');
  return [
    ...mounts.filter(({ name }) => !declared.includes(name)).map(({ name }) => `the volume ${name} is not declared.`),
    ...declared
      .filter((name) => !mounts.some((m) => m.name === name))
      .map((name) => `nobody mounts the volume ${name}.`),
    ...declared
      .filter((name, i) => declared.indexOf(name) !== i)
      .map((name) => `the volume ${name} is declared twice.`),
    ...paths.filter((path, i) => paths.indexOf(path) !== i).map((path) => `two volumes are mounted at ${path}.`),
    ...ofNode
      .filter(({ name }: any) => mounts.some((mount) => mount.name === name && mount.readOnly !== true))
      .map(({ name }: any) => `the node's folder ${name} can be written to.`),
  ];
}

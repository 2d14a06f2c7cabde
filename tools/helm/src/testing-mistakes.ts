import type { KubernetesObject } from './render.js';

type Find = (kind: string, name: string) => KubernetesObject;
type Mistake = { change: (find: Find, objects: KubernetesObject[]) => void; saying: RegExp };

const pod = (object: KubernetesObject): any => object.spec.template.spec;
const container = (object: KubernetesObject): any => pod(object).containers[0];
const setting = (object: KubernetesObject, name: string): any =>
  container(object).env.find((e: any) => e.name === name);

/** Mistakes that a chart can have, made in what was rendered with everything on, and what must be said of each. */
export const MISTAKES: Readonly<Record<string, Mistake>> = {
  'a wrong type': {
    change: (find) => (find('Service', 'api').spec.ports[0].port = 'http'),
    saying: /Service test-vigil-api: .*port must be integer/,
  },
  'an unknown kind': { change: (find) => (find('Service', 'api').kind = 'Serviec'), saying: /no such kind/ },
  'a tag that names no version': {
    change: (find) => (container(find('Deployment', 'api')).image = 'vigil-api:latest'),
    saying: /Deployment test-vigil-api: api: the image vigil-api:latest names no version/,
  },
  'no limit of memory': {
    change: (find) => delete container(find('Deployment', 'engines')).resources.limits,
    saying: /no limits of memory/,
  },
  'a probe of a path that nobody answers': {
    change: (find) => (container(find('Deployment', 'api')).livenessProbe.httpGet.path = '/healthz'),
    saying: /asks for \/healthz, which nobody answers/,
  },
  'a probe of a port that is not there': {
    change: (find) => (container(find('DaemonSet', 'collector')).readinessProbe.httpGet.port = 'http'),
    saying: /asks the port http, which it does not have/,
  },
  'no probe': {
    change: (find) => delete container(find('StatefulSet', 'runtime')).startupProbe,
    saying: /no startupProbe/,
  },
  root: {
    change: (find) => (pod(find('StatefulSet', 'runtime')).securityContext.runAsNonRoot = false),
    saying: /may run as root/,
  },
  'a root file system that can be written to': {
    change: (find) => (container(find('DaemonSet', 'collector-gpu')).securityContext.readOnlyRootFilesystem = false),
    saying: /root file system can be written to/,
  },
  'a capability': {
    change: (find) => (container(find('Deployment', 'api')).securityContext.capabilities.add = ['SYS_ADMIN']),
    saying: /keeps capabilities/,
  },
  privileges: {
    change: (find) => (container(find('DaemonSet', 'collector')).securityContext.privileged = true),
    saying: /may gain privileges/,
  },
  "the node's network": {
    change: (find) => (pod(find('DaemonSet', 'collector')).hostNetwork = true),
    saying: /shares a namespace with its node/,
  },
  "a folder of the node's that can be written to": {
    change: (find) => {
      for (const mount of container(find('DaemonSet', 'collector')).volumeMounts) delete mount.readOnly;
    },
    saying: /the node's folder proc can be written to/,
  },
  'a volume that is not declared': {
    change: (find) => pod(find('Deployment', 'api')).volumes.shift(),
    saying: /the volume data is not declared/,
  },
  'variables of other services': {
    change: (find) => delete pod(find('Deployment', 'api')).enableServiceLinks,
    saying: /enableServiceLinks is not false/,
  },
  'a selector that misses its pods': {
    change: (find) => (find('Deployment', 'api').spec.selector.matchLabels['app.kubernetes.io/component'] = 'apis'),
    saying: /does not select its own pods/,
  },
  "a selector that takes another's pods": {
    change: (find) => delete find('DaemonSet', 'collector').spec.selector.matchLabels['vigil/nodes'],
    saying: /DaemonSet test-vigil-collector: it selects the pods of DaemonSet test-vigil-collector-gpu too/,
  },
  'a service without pods': {
    change: (find) => (find('Service', 'api').spec.selector['app.kubernetes.io/component'] = 'apis'),
    saying: /Service test-vigil-api: it selects no pod/,
  },
  'a service of a port that is not there': {
    change: (find) => (find('Service', 'collector').spec.ports[0].targetPort = 'grpc'),
    saying: /test-vigil-collector-gpu has no port grpc/,
  },
  'a ServiceMonitor of two services': {
    change: (find) => (find('Service', 'runtime-pods').metadata.labels!['app.kubernetes.io/component'] = 'runtime'),
    saying: /ServiceMonitor test-vigil-runtime: it selects 2 services/,
  },
  'a ServiceMonitor of a port that is not there': {
    change: (find) => (find('ServiceMonitor', 'collector').spec.endpoints[0].port = 'http'),
    saying: /Service test-vigil-collector has no port http/,
  },
  'a port that a policy closes': {
    change: (find) => find('NetworkPolicy', 'collector').spec.ingress.pop(),
    saying: /lets nobody to the port metrics/,
  },
  'an ingress before nothing': {
    change: (find) => (find('Ingress', 'api').spec.rules[0].http.paths[0].backend.service.name = 'console'),
    saying: /no service console/,
  },
  'a Secret that is not there': {
    change: (find) => (find('Secret', 'postgresql').metadata.name = 'elsewhere'),
    saying: /no Secret test-vigil-postgresql/,
  },
  'a key that is not there': {
    change: (find) => delete find('Secret', 'postgresql').data.url,
    saying: /Secret test-vigil-postgresql has no url/,
  },
  'an address of nobody': {
    change: (find) => (setting(find('StatefulSet', 'runtime'), 'OTEL_EXPORTER_OTLP_ENDPOINT').value += '0'),
    saying: /http:\/\/test-vigil-collector:43180 is no service/,
  },
  'a pod too many': {
    change: (find) => (find('StatefulSet', 'runtime').spec.replicas = 2),
    saying: /no pod test-vigil-runtime-2\.test-vigil-runtime-pods/,
  },
  'a Secret in a ConfigMap': {
    change: (find) =>
      (find('ConfigMap', 'rules').data.x = Buffer.from(
        find('Secret', 'postgresql').data.password,
        'base64',
      ).toString()),
    saying: /ConfigMap test-vigil-rules: it shows what stands in a Secret/,
  },
  'a ConfigMap that is too large': {
    change: (find) => (find('ConfigMap', 'rules').data.x = 'x'.repeat(2 ** 20)),
    saying: /larger than a ConfigMap may be/,
  },
  'two of one name': {
    change: (find, objects) => objects.push(find('Service', 'api')),
    saying: /there are two of that name/,
  },
  'a name that is too long': {
    change: (find) => (find('StatefulSet', 'runtime').metadata.name = 'x'.repeat(53)),
    saying: /the name is too long/,
  },
  'a variable that nobody knows': {
    change: (find) => (setting(find('Deployment', 'api'), 'RULES_DIR').name = 'RULE_DIR'),
    saying: /RULE_DIR is no variable of the api/,
  },
  'a value that a process refuses': {
    change: (find) => (setting(find('DaemonSet', 'collector'), 'RETENTION').value = '1h'),
    saying: /DaemonSet test-vigil-collector: RETENTION is "1h": a duration/,
  },
  'a variable that is set twice': {
    change: (find) => container(find('Deployment', 'api')).env.push({ name: 'HOST', value: '::' }),
    saying: /HOST is set twice/,
  },
};

import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { KubernetesObject } from './render.js';

/**
 * As much of a Kubernetes API as Helm asks for when it renders with `--dry-run=server`: which kinds there are, and the
 * Secrets that `lookup` finds. It takes nothing.
 */
export async function startCluster(
  kinds: readonly KubernetesObject[],
  secrets: Readonly<Record<string, Record<string, string>>>,
): Promise<{ address: string; asked: string[]; close: () => void }> {
  const asked: string[] = [];
  const server: Server = createServer((request, response) => {
    const path = new URL(request.url!, 'http://cluster').pathname;
    asked.push(`${request.method} ${path}`);
    const answer = request.method === 'GET' ? answerTo(path, kinds, secrets) : undefined;
    response.statusCode = answer ? 200 : 404;
    response.setHeader('content-type', 'application/json');
    response.end(
      JSON.stringify(answer ?? { apiVersion: 'v1', kind: 'Status', status: 'Failure', reason: 'NotFound', code: 404 }),
    );
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  return {
    address: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    asked,
    close: () => server.close(),
  };
}

/** By these Helm knows its own objects; others it would not touch. */
const OWNED = {
  labels: { 'app.kubernetes.io/managed-by': 'Helm' },
  annotations: { 'meta.helm.sh/release-name': 'test', 'meta.helm.sh/release-namespace': 'vigil' },
};

function answerTo(
  path: string,
  kinds: readonly KubernetesObject[],
  secrets: Readonly<Record<string, Record<string, string>>>,
): object | undefined {
  if (path === '/version') return { major: '1', minor: '33', gitVersion: 'v1.33.0' };
  if (path === '/api') return { kind: 'APIVersions', versions: ['v1'] };
  if (path === '/apis') return groups(kinds);
  const version = /^\/apis?\/([\w./]+)$/.exec(path)?.[1];
  const ofVersion = kinds.filter(({ apiVersion }) => apiVersion === version);
  if (ofVersion.length > 0) return resources(version!, ofVersion);
  const name = /^\/api\/v1\/namespaces\/vigil\/secrets\/([\w-]+)$/.exec(path)?.[1];
  const data = name === undefined ? undefined : secrets[name];
  return data && { apiVersion: 'v1', kind: 'Secret', metadata: { name, namespace: 'vigil', ...OWNED }, data };
}

function groups(kinds: readonly KubernetesObject[]): object {
  const versions = [...new Set(kinds.map(({ apiVersion }) => apiVersion))].filter((version) => version.includes('/'));
  return {
    kind: 'APIGroupList',
    apiVersion: 'v1',
    groups: versions.map((groupVersion) => {
      const [name, version] = groupVersion.split('/');
      return { name, versions: [{ groupVersion, version }], preferredVersion: { groupVersion, version } };
    }),
  };
}

function resources(groupVersion: string, objects: readonly KubernetesObject[]): object {
  const kinds = [...new Set(objects.map(({ kind }) => kind))];
  return {
    kind: 'APIResourceList',
    groupVersion,
    resources: kinds.map((kind) => ({
      name: `${kind.toLowerCase().replace(/y$/, 'ie').replace(/s$/, 'se')}s`,
      singularName: kind.toLowerCase(),
      namespaced: true,
      kind,
      verbs: ['get'],
    })),
  };
}

import { mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { ROOT } from '@vigil/launch';
import { loadRules } from '@vigil/rules';
import { parse, stringify } from 'yaml';
import { beforeAll, beforeEach, expect, onTestFinished, test } from 'vitest';
import { HEALTH_PATHS } from './pods.js';
import { CHART, render, runHelm, type KubernetesObject } from './render.js';
import { startCluster } from './testing-cluster.js';
import { serveHealth } from './testing-health.js';
import { provideForTests } from './testing-helm.js';
import { CASES } from './testing-values.js';

let helm: string;
let missing: string | undefined;
let objects: KubernetesObject[];
const ON = CASES['everything on']!.values;

beforeAll(async () => {
  ({ helm, missing } = await provideForTests());
  if (!missing) objects = await render(helm, ON);
});
beforeEach(({ skip }) => skip(missing !== undefined, missing));

const find = (kind: string, name: string, among = objects): KubernetesObject =>
  among.find((object) => object.kind === kind && object.metadata.name === name)!;
const decode = (text: string): string => Buffer.from(text, 'base64').toString();
const environment = (object: KubernetesObject, name: string): string =>
  object.spec.template.spec.containers[0].env.find((variable: any) => variable.name === name).value;

test('the API reads the alert rules from the ConfigMap as Kubernetes mounts it', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'vigil-rules-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  // Every key is a link by way of ..data into a folder with a date for its name.
  await mkdir(join(folder, '..2026_11_26'));
  await symlink('..2026_11_26', join(folder, '..data'));
  for (const [name, text] of Object.entries<string>(find('ConfigMap', 'test-vigil-rules').data)) {
    await writeFile(join(folder, '..2026_11_26', name), text);
    await symlink(join('..data', name), join(folder, name));
  }
  const read = async (from: string) => (await loadRules(from)).map((rule) => ({ ...rule, file: basename(rule.file) }));
  expect(await read(folder)).toEqual(await read(join(ROOT, 'alerts')));
});

test('each file of rules for Prometheus is a PrometheusRule with its groups', async () => {
  const files = (await readdir(join(ROOT, 'alerts'))).filter((name) => name.startsWith('prometheus.'));
  const texts = await Promise.all(files.map((name) => readFile(join(ROOT, 'alerts', name), 'utf8')));
  const rules = objects.filter(({ kind }) => kind === 'PrometheusRule');
  expect(rules).toHaveLength(files.length);
  expect(rules.map(({ spec }) => spec)).toEqual(expect.arrayContaining(texts.map((text) => parse(text))));
});

test('every dashboard is a ConfigMap that the sidecar finds, of data sources and addresses as set', async () => {
  const maps = objects.filter(({ metadata }) => metadata.labels?.grafana_dashboard === '1');
  const english = (await readdir(join(ROOT, 'dashboards'))).filter((name) => name.endsWith('.json'));
  expect(maps).toHaveLength(2 * english.length);
  const keys = maps.flatMap(({ data }) => Object.keys(data));
  expect(new Set(keys).size).toBe(maps.length);
  const uids = maps
    .flatMap(({ data }) => Object.values<string>(data))
    .map((text) => {
      expect(text).not.toMatch(/\$\{DS_|127\.0\.0\.1/);
      return JSON.parse(text).uid;
    });
  expect(new Set(uids).size).toBe(maps.length);
});

test('a node has one collector, with GPUs or without', () => {
  const [label] = Object.entries({ 'nvidia.com/gpu.present': 'true' });
  const gpu = find('DaemonSet', 'test-vigil-collector-gpu').spec.template.spec;
  expect(Object.entries(gpu.nodeSelector)).toContainEqual(label);
  const terms = find('DaemonSet', 'test-vigil-collector').spec.template.spec.affinity.nodeAffinity
    .requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms;
  expect(terms).toEqual([
    {
      matchExpressions: [
        { key: 'pool', operator: 'In', values: ['a'] },
        { key: label![0], operator: 'NotIn', values: [label![1]] },
      ],
    },
  ]);
});

test("engines are read by one pod, each of the runtime's under its own name", () => {
  const engines = find('Deployment', 'test-vigil-engines');
  expect(engines.spec.replicas).toBe(1);
  expect(environment(engines, 'ENGINE_METRICS').split(' ')).toEqual([
    ...[0, 1, 2].map((i) => `runtime-${i}=http://test-vigil-runtime-${i}.test-vigil-runtime-pods:8000/metrics`),
    'vllm-0=http://vllm-0.vllm:8000/metrics',
  ]);
});

test('the paths of the probes are answered', async () => {
  const address = await serveHealth(onTestFinished);
  for (const path of HEALTH_PATHS) expect((await fetch(`${address}${path}`)).status, path).toBe(200);
});

test('secrets are made anew for each release, and kept where they are there', async () => {
  const made = find('Secret', 'test-vigil-postgresql').data;
  expect(decode(made.password)).toMatch(/^[A-Za-z0-9]{32}$/);
  expect(decode(made.url)).toBe(`postgres://vigil:${decode(made.password)}@test-vigil-postgresql:5432/vigil`);
  const key = find('Secret', 'test-vigil-runtime').data['api-keys'];
  expect(decode(key)).toMatch(/^[A-Za-z0-9]{32}$/);

  const there = { 'test-vigil-postgresql': { password: made.password }, 'test-vigil-runtime': { 'api-keys': key } };
  const cluster = await startCluster(objects, there);
  onTestFinished(cluster.close);
  const args = [
    'template',
    'test',
    CHART,
    '-n',
    'vigil',
    '-f',
    '-',
    '--dry-run=server',
    '--disable-openapi-validation',
  ];
  const show = ['--show-only', 'templates/secrets.yaml', '--kube-apiserver', cluster.address];
  const text = await runHelm(helm, [...args, ...show], stringify(ON), { KUBECONFIG: '/dev/null' });
  expect(text).toContain(`url: ${made.url}`);
  expect(text).toContain(`api-keys: ${key}`);
  expect(cluster.asked).toContain('GET /api/v1/namespaces/vigil/secrets/test-vigil-postgresql');
});

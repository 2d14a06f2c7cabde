import { beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { checkEnvironment } from './environment.js';
import { checkPods } from './pods.js';
import { CHART, HelmError, render, runHelm, type KubernetesObject } from './render.js';
import { checkFields, checkSchemas } from './schemas.js';
import { provideForTests } from './testing-helm.js';
import { MISTAKES } from './testing-mistakes.js';
import { CASES, REFUSED } from './testing-values.js';
import { checkWiring } from './wiring.js';

let helm: string;
let missing: string | undefined;
const rendered: Record<string, KubernetesObject[]> = {};

beforeAll(async () => {
  ({ helm, missing } = await provideForTests());
  if (missing) return;
  const names = Object.keys(CASES);
  const all = await Promise.all(names.map((name) => render(helm, CASES[name]!.values)));
  for (const [index, name] of names.entries()) rendered[name] = all[index]!;
});
beforeEach(({ skip }) => skip(missing !== undefined, missing));

const checks = (objects: readonly KubernetesObject[], outside?: readonly string[]): string[] => [
  ...checkSchemas(objects),
  ...checkPods(objects),
  ...checkWiring(objects, outside),
  ...checkEnvironment(objects),
];

test('helm lint finds nothing wrong', async () => {
  expect(await runHelm(helm, ['lint', CHART, '--strict'])).toContain('0 chart(s) failed');
});

test.each(Object.entries(CASES))('with %s every object is as it should be', (name, { outside }) => {
  expect(checks(rendered[name]!, outside)).toEqual([]);
});

test('no object has a field that Kubernetes does not know', async () => {
  expect(await checkFields(Object.values(rendered).flat())).toEqual([]);
  const deployment = structuredClone(rendered['the presets']!.find(({ kind }) => kind === 'Deployment')!);
  deployment.spec.template.spec.containers[0].redinessProbe = {};
  expect(await checkFields([deployment])).toEqual([expect.stringContaining('redinessProbe')]);
});

describe('the checks see', () => {
  test.each(Object.entries(MISTAKES))('%s', (_, { change, saying }) => {
    const objects = structuredClone(rendered['everything on']!);
    const find = (kind: string, name: string): KubernetesObject =>
      objects.find((object) => object.kind === kind && object.metadata.name === `test-vigil-${name}`)!;
    change(find, objects);
    expect(checks(objects, CASES['everything on']!.outside)).toContainEqual(expect.stringMatching(saying));
  });
});

test.concurrent.each(Object.entries(REFUSED))('refuses %s', async (_, { values, saying }) => {
  const refusal = await render(helm, values).catch((error: unknown) => error);
  expect(refusal).toBeInstanceOf(HelmError);
  expect((refusal as HelmError).message).toMatch(saying);
});

test('refuses a name that no service can have', async () => {
  await expect(runHelm(helm, ['template', '9lives', CHART])).rejects.toThrow(
    /begins with a digit: set fullnameOverride\./,
  );
  expect(await runHelm(helm, ['template', 'a.b', CHART])).toContain('name: a-b-vigil-runtime\n');
});

import { beforeAll, describe, expect, test } from 'vitest';
import { NoHelm, provideHelm } from './provide.js';
import { HelmError, render, runHelm, CHART } from './render.js';
import { checkFields, checkSchemas } from './schemas.js';
import { CASES, REFUSED } from './testing-values.js';

/** Helm 4; with HELM=3 in the environment, which `npm run test:helm` adds, the chart is rendered by Helm 3. */
const MAJOR = process.env.HELM === '3' ? 3 : 4;

let helm: string;
let missing: string | undefined;
beforeAll(async () => {
  try {
    helm = await provideHelm(MAJOR);
  } catch (error) {
    if (!(error instanceof NoHelm) || process.env.CI) throw error;
    missing = `${error.message} The chart's tests are left out.`;
    console.warn(missing);
  }
});

test('helm lint finds nothing wrong', async ({ skip }) => {
  skip(missing !== undefined, missing);
  expect(await runHelm(helm, ['lint', CHART, '--strict'])).toContain('0 chart(s) failed');
});

describe.each(Object.entries(CASES))('rendered with %s', (_, values) => {
  test('every object fits the schemas of Kubernetes and of the Prometheus operator', async ({ skip }) => {
    skip(missing !== undefined, missing);
    expect(checkSchemas(await render(helm, values))).toEqual([]);
  });
});

test('no object has a field that Kubernetes does not know', async ({ skip }) => {
  skip(missing !== undefined, missing);
  const objects = await Promise.all(Object.values(CASES).map((values) => render(helm, values)));
  expect(await checkFields(objects.flat())).toEqual([]);
  expect(await checkFields(broken(objects[0]!))).toHaveLength(1);
});

/** A Deployment with a probe whose name is misspelt: what the check above must find. */
function broken(objects: Awaited<ReturnType<typeof render>>): Awaited<ReturnType<typeof render>> {
  const copy = structuredClone(objects.find(({ kind }) => kind === 'Deployment')!);
  copy.spec.template.spec.containers[0].redinessProbe = {};
  return [copy];
}

test.each(Object.entries(REFUSED))('refuses %s', async (_, { values, saying }) => {
  if (missing) return;
  const refusal = await render(helm, values).catch((error: unknown) => error);
  expect(refusal).toBeInstanceOf(HelmError);
  expect((refusal as HelmError).message).toMatch(saying);
});

import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parse } from 'yaml';
import { expect, test } from 'vitest';
import { CHART } from './render.js';

/** Paths of all values; an object without keys is a value of its own. */
function paths(value: unknown, path = ''): string[] {
  if (value === null || typeof value !== 'object' || Array.isArray(value) || Object.keys(value).length === 0)
    return [path];
  return Object.entries(value).flatMap(([key, inner]) => paths(inner, path === '' ? key : `${path}.${key}`));
}

/** Paths that the schema names one by one. */
function named(schema: any, path = ''): string[] {
  if (!schema.properties) return [path];
  expect(schema.additionalProperties, `${path} takes any name`).toBe(false);
  return Object.entries(schema.properties).flatMap(([key, inner]) =>
    named(inner, path === '' ? key : `${path}.${key}`),
  );
}

test('values.schema.json names what values.yaml has, and nothing else', async () => {
  const values = parse(await readFile(join(CHART, 'values.yaml'), 'utf8'));
  const schema = JSON.parse(await readFile(join(CHART, 'values.schema.json'), 'utf8'));
  // Helm itself hands "global" to every chart.
  const inSchema = named(schema).filter((path) => path !== 'global');
  // Some values are one thing to the schema (resources, tolerations): compared by where they begin.
  const inValues = paths(values).map((path) => inSchema.find((s) => path === s || path.startsWith(`${s}.`)) ?? path);
  expect([...new Set(inValues)].toSorted()).toEqual(inSchema.toSorted());
});

test('every value is explained in the line above it', async () => {
  const lines = (await readFile(join(CHART, 'values.yaml'), 'utf8')).split('\n');
  // What stands below these names is Kubernetes' own.
  const foreign = /^ *(- )?(requests|limits|key|value|operator|effect): /;
  const dumb = lines.filter(
    (line, index) => /^ *[A-Za-z]+: \S/.test(line) && !foreign.test(line) && !/^ *#/.test(lines[index - 1]!),
  );
  expect(dumb).toEqual([]);
});

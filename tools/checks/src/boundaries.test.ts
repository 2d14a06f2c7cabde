import { describe, expect, it } from 'vitest';
import { checkImports, checkRooms, type Room } from './boundaries.js';

const room = (folder: string, name: string, dependencies: string[]): Room => ({
  folder,
  name: `@vigil/${name}`,
  room: name,
  dependencies: new Set(dependencies),
});
const api = room('apps/api', 'api', ['@vigil/store', '@vigil/collector', 'fastify']);
const rooms = [api, room('apps/collector', 'collector', []), room('libs/store', 'store', [])];
const check = (text: string, file = 'apps/api/src/a.ts') => checkImports(file, text, api, rooms);

describe('imports between rooms', () => {
  it('that the table allows pass', () => {
    expect(
      check(`import { a } from '@vigil/store';\nimport f from 'fastify';\nimport './b.js';\nimport fs from 'node:fs';`),
    ).toEqual([]);
  });

  it.each([
    [
      'of one application by another',
      `\nimport { x } from '@vigil/collector';`,
      'apps/api/src/a.ts:2: api may not import collector (@vigil/collector).',
    ],
    [
      'by a path out of the room',
      `import x from '../../collector/src/x.js';`,
      'apps/api/src/a.ts:1: ../../collector/src/x.js leaves apps/api. Import the package instead.',
    ],
    [
      'of what package.json does not name',
      `const y = await ${'import'}('left-pad');`,
      'apps/api/src/a.ts:1: left-pad is not among the dependencies of apps/api/package.json.',
    ],
  ])('%s are refused', (_, text, problem) => {
    expect(check(text)).toEqual([problem]);
  });

  it('are right in this repository', () => {
    expect(checkRooms(process.cwd())).toEqual([]);
  });
});

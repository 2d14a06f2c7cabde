import { getLlama, LlamaGrammar, type Llama } from 'node-llama-cpp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { anyObjectGrammar, schemaGrammar } from './json-grammar.js';

let llama: Llama;
beforeAll(async () => {
  llama = await getLlama({ gpu: false, build: 'never', skipDownload: true });
});
afterAll(() => llama.dispose());

/** Asks llama.cpp itself, whose grammars these are. */
const follows = (grammar: string, value: unknown): boolean => {
  const text = typeof value === 'string' ? value : JSON.stringify(value);
  return (new LlamaGrammar(llama, { grammar }) as unknown as { _testText(text: string): boolean })._testText(text);
};

const person = {
  type: 'object',
  properties: {
    name: { type: 'string' },
    age: { type: 'integer' },
    tags: { type: 'array', items: { enum: ['a', 'b "quoted"', 3, null] }, maxItems: 2 },
  },
  required: ['name'],
  additionalProperties: false,
};
const tree = {
  $ref: '#/$defs/node',
  $defs: {
    node: {
      type: 'object',
      properties: { value: { type: 'number' }, children: { type: 'array', items: { $ref: '#/$defs/node' } } },
      required: ['value', 'children'],
    },
  },
};

/** Ten ways to the next level that differ. */
const several = (level: number) =>
  Array.from({ length: 10 }, (_, i) => ({ anyOf: [{ $ref: `#/$defs/d${level + 1}` }, { const: `${level}-${i}` }] }));

describe('the grammar of a JSON Schema', () => {
  it.each<[string, unknown, unknown[], unknown[]]>([
    ['any object', undefined, [{}, { a: [1, -2.5e3, { b: null }] }, '{ "x" : "\\u00e9\\n" }'], [[], 1, '{', '{"a":}']],
    ['anything', {}, [1, 'null', '"x"', [{}]], ['x', '{']],
    [
      'an object',
      person,
      [{ name: 'Ä\n' }, { name: 'x', age: 3 }, { name: '', tags: ['b "quoted"', null] }, '{\n  "name": "x"\n}'],
      [{}, { age: 3 }, { name: 3 }, { name: 'x', more: 1 }, { name: 'x', tags: [3, 3, 3] }, '{"name":"x",}'],
    ],
    [
      'optional members',
      { properties: { a: { type: 'null' }, b: { type: 'null' }, c: { type: 'null' } } },
      [{}, { a: null }, { b: null }, { a: null, c: null }, { a: null, b: null, c: null }],
      ['{"a":null "b":null}', '{,"b":null}', { d: null }],
    ],
    [
      'further members',
      { type: 'object', properties: { a: { type: 'null' } }, additionalProperties: { type: 'boolean' } },
      [{}, { a: null }, { x: true }, { a: null, x: true, y: false }],
      [{ x: 1 }, { a: true, x: null }],
    ],
    [
      'further members, none of which has the name of another',
      {
        type: 'object',
        properties: {
          ab: { type: 'null' },
          abc: { type: 'null' },
          'é]^-😀"\\\n': { type: 'null' },
          '': { type: 'null' },
        },
        required: ['ab'],
        additionalProperties: { type: 'boolean' },
      },
      [
        { ab: null },
        { ab: null, a: true, abd: true, abcd: true, b: true, é: true, 'é]^-': true, 'é]^-😀': true, 'é]^-😂': true },
        { ab: null, abc: null, 'é]^-😀"\\\n': null, '': null, x: false },
      ],
      [
        '{"ab":null,"ab":true}',
        '{"ab":null,"abc":true}',
        '{"ab":null,"":true}',
        '{"ab":null,"\\u0061b":true}',
        '{"ab":null,"é]^-😀"x":true}',
        { ab: null, 'é]^-😀"\\\n': true },
        { ab: true },
      ],
    ],
    [
      'further members beside names that need escapes',
      { properties: { 'a\0"': {}, '\uD800': {}, '\x7F': {} }, additionalProperties: true },
      [{}, { 'a\0"': 1, a: 2 }, { '\uD800': 1, '\uFFFD': 2 }, { '': 3 }],
      ['{"a\0":1}', '{"a"x":1}', '{"\\u0041":1}'],
    ],
    [
      'what refers to itself',
      tree,
      [{ value: 1, children: [{ value: 2.5, children: [] }] }],
      [{ value: 1 }, { value: 1, children: [{ value: 1 }] }],
    ],
    ['one of several', { anyOf: [{ type: 'integer' }, { const: 'x' }] }, [7, -1, '"x"'], ['"y"', 1.5]],
    [
      'what is the same ten times in a row of twelve',
      {
        $ref: '#/$defs/d0',
        $defs: Object.fromEntries(
          Array.from({ length: 13 }, (_, d) => [
            `d${d}`,
            d === 12 ? { type: 'null' } : { anyOf: Array.from({ length: 10 }, () => ({ $ref: `#/$defs/d${d + 1}` })) },
          ]),
        ),
      },
      [null],
      [1],
    ],
    [
      'many kinds of objects that say their kind first',
      {
        anyOf: Array.from({ length: 40 }, (_, i) => ({
          properties: { kind: { enum: [`k${i}`] }, [`of${i}`]: { type: 'integer' } },
          required: ['kind'],
        })),
      },
      [{ kind: 'k0' }, { kind: 'k39', of39: 1 }],
      [{ kind: 'k40' }, { kind: 'k1', of2: 1 }],
    ],
    ['several types', { type: ['string', 'null'] }, ['""', null], [1]],
    [
      'counted things',
      { type: 'array', items: { type: 'string', minLength: 2, maxLength: 3 }, minItems: 2, maxItems: 3 },
      [
        ['ab', 'abc'],
        ['ab', 'ab', 'ab'],
      ],
      [['ab'], ['ab', 'a'], ['ab', 'abcd'], ['ab', 'ab', 'ab', 'ab']],
    ],
    ['an object of any kind', { type: 'object' }, [{}, { a: [1], b: {} }], [[], 1]],
    ['an object without anything', { type: 'object', properties: {} }, [{}], [{ a: 1 }]],
    ['an object that must have something', { required: ['a'] }, [{ a: 1 }, { a: null, b: 2 }], [{}, { b: 1 }, 'null']],
    ['a text that says no type', { minLength: 2 }, ['"ab"'], ['"a"', 1, 'null']],
    [
      'several with what binds all of them',
      {
        type: 'object',
        properties: { a: { type: 'boolean' } },
        required: ['a'],
        anyOf: [{ properties: { b: { type: 'null' } }, required: ['b'] }, { properties: { c: { type: 'null' } } }],
      },
      [{ a: true, b: null }, { a: true }, { a: false, c: null }],
      ['null', {}, { b: null }, { a: true, d: null }],
    ],
    ['those of its values that are of its type', { type: 'string', enum: ['a', null, 3] }, ['"a"'], [null, 3]],
    ['a value that is one of its values', { const: 'a', enum: ['a', 'b'], type: 'string' }, ['"a"'], ['"b"']],
    ['a pointer with signs', { $ref: '#/$defs/100%~1a', $defs: { '100%/a': { type: 'null' } } }, [null], [1]],
    ['nothing in a list', { type: 'array', maxItems: 0 }, [[]], [[1]]],
  ])('lets through %s, and nothing else', (_, schema, right, wrong) => {
    const grammar = schema === undefined ? anyObjectGrammar() : schemaGrammar(schema);
    expect(right.filter((value) => !follows(grammar, value))).toEqual([]);
    expect(wrong.filter((value) => follows(grammar, value))).toEqual([]);
  });

  it.each<[unknown, string]>([
    [7, '$ is no schema'],
    [{ type: 'date' }, '$ has an unknown type, "date"'],
    [{ properties: { a: { minimum: 3 } } }, '$.a has "minimum", which is not supported by this server'],
    [{ type: 'object', properties: {}, required: ['x'] }, '$ requires "x", which it lacks'],
    [{ $ref: '#/$defs/none' }, '$ refers to #/$defs/none, which is not there'],
    [{ $ref: 'https://example.com/x.json' }, '$ refers to something outside of the schema'],
    [{ $ref: '#' }, '# refers to itself and to nothing else'],
    [{ $ref: '#/$defs/a', $defs: { a: { anyOf: [{ $ref: '#/$defs/a' }, {}] } } }, 'refers to itself and to nothing'],
    [{ $ref: '#/$defs/100%' }, '$ refers to #/$defs/100%, which is not there'],
    [{ $ref: '#/$defs/a', minLength: 3 }, '$ has "minLength" beside "$ref"'],
    [{ anyOf: [{}], oneOf: [{}] }, '$ has "oneOf" beside "anyOf"'],
    [{ anyOf: 3 }, '$ has no list of schemas'],
    [{ type: 'string', anyOf: [{ type: 'null' }] }, '$[0] has "type", which can not be had together'],
    [{ properties: {}, anyOf: [{ additionalProperties: true }] }, '$[0] has "additionalProperties", which can not'],
    [{ properties: {}, minLength: 3 }, '$ has "properties" and "minLength", but no type'],
    [{ type: 'string', enum: [1, null] }, '$ allows nothing'],
    [
      {
        properties: Object.fromEntries(Array.from({ length: 11 }, (_, i) => [i, { type: 'string', maxLength: 1000 }])),
      },
      '$ counts up to more than 10000',
    ],
    [
      {
        $ref: '#/$defs/d0',
        $defs: Object.fromEntries([
          ['d12', { type: 'null' }],
          ...Array.from({ length: 12 }, (_, d) => [`d${d}`, { anyOf: several(d) }] as const),
        ]),
      },
      'can begin in more than 1000 ways',
    ],
    [
      { anyOf: Array.from({ length: 17 }, (_, i) => ({ type: 'array', items: { const: i } })) },
      '$ has more than 16 lists or objects that begin alike',
    ],
    [
      { anyOf: Array.from({ length: 17 }, (_, i) => ({ properties: { a: { const: i } } })) },
      '$ has more than 16 lists or objects that begin alike',
    ],
    [{ enum: [] }, '$ allows nothing'],
    [{ const: 1, enum: [2] }, '$ allows nothing'],
    [
      { properties: { ['a'.repeat(257)]: {} }, additionalProperties: true },
      '$ has a name of more than 256 characters beside "additionalProperties"',
    ],
    [
      {
        properties: Object.fromEntries(
          Array.from({ length: 20 }, (_, i) => [String.fromCharCode(97 + i).repeat(250), {}]),
        ),
        additionalProperties: true,
      },
      '$ is too large',
    ],
    [{ const: 1, type: 'string' }, '$ allows nothing'],
    [{ enum: ['a', 'bb'], minLength: 2 }, '$ has "minLength" beside "enum", which is not supported by this server'],
    [{ const: 'a', maxLength: 0 }, '$ has "maxLength" beside "const", which is not supported by this server'],
    [{ type: 'string', maxLength: 1e9 }, '$.maxLength is not from 0 to 1000'],
    [{ type: 'string', minLength: 3, maxLength: 2 }, '$ allows nothing: maxLength is below minLength'],
    [JSON.parse(`${'{"items":'.repeat(100)}{}${'}'.repeat(100)}`), 'nested too deeply'],
  ])('refuses %j', (schema, message) => {
    expect(() => schemaGrammar(schema)).toThrow(message);
  });
});

import { inClass, isPlain, literal, NOT_PLAIN, render } from './gbnf.js';
import { BINDINGS, isOf, merged, pointedAt, SchemaError, typeOf, type Schema } from './json-schema.js';

/** Counts beyond this would blow up the grammar, which has a rule for each. */
const MOST_REPEATS = 1000;
/** The same of all counts together: while the engine reads a grammar it answers nobody. */
const MOST_REPEATS_TOGETHER = 10_000;
/** Ways to go on in one place: the engine takes all of them at once, */
const MOST_WAYS = 1000;
/** and of those that begin alike and go deeper, each with all that it leads to. */
const MOST_ALIKE = 16;
const DEEPEST = 64;
/** Where others must be told from it, which takes a rule for each of its characters. */
const LONGEST_NAME = 256;
const MOST_RULES = 4000;

/** Words that bind a value and that a grammar like ours can not say; a schema with them would only seem to hold. */
const UNSUPPORTED = [
  'pattern',
  'minimum',
  'maximum',
  'exclusiveMinimum',
  'exclusiveMaximum',
  'multipleOf',
  'uniqueItems',
  'contains',
  'minProperties',
  'maxProperties',
  'patternProperties',
  'propertyNames',
  'dependentRequired',
  'dependentSchemas',
  'unevaluatedProperties',
  'not',
  'if',
  'allOf',
];

/** The grammar (GBNF) of any JSON object. */
export const anyObjectGrammar = (): string => render('object', new Map());

/**
 * The grammar (GBNF) of JSON texts that a JSON Schema allows. Properties come in the schema's order; where some are named,
 * others come only if `additionalProperties` says so, as a model would go on with them without end. Of `oneOf` more than
 * one may fit; `format` and annotations are not bound to anything.
 * @throws SchemaError where a part of it can not be followed
 */
export function schemaGrammar(schema: unknown): string {
  const grammar = new SchemaGrammar(schema, 'r', newBudget());
  const root = grammar.visit(schema, '$', 0);
  return render(root, grammar.rules);
}

export interface GrammarChoice {
  /** A text that stands before the JSON. */
  before: string;
  /** undefined is any object. */
  schema: unknown;
  /** The schema can not be followed: throws, or leaves it at any object. */
  onError(error: SchemaError): void;
}

/** The grammar (GBNF) of one of several texts, each with the JSON behind it that its schema allows. */
export function grammarOfChoices(choices: readonly GrammarChoice[]): string {
  const rules = new Map<string, string>();
  const budget = newBudget();
  const branches = choices.map(({ before, schema, onError }, index) => {
    let root = 'object';
    if (schema !== undefined)
      try {
        const grammar = new SchemaGrammar(schema, `t${index}r`, budget);
        root = grammar.visit(schema, '$', 0);
        for (const [name, body] of grammar.rules) rules.set(name, body);
      } catch (error) {
        if (!(error instanceof SchemaError)) throw error;
        onError(error);
      }
    return `${literal(before)} ${root}`;
  });
  return render(branches.join(' | '), rules);
}

/** What all schemas of one grammar may have together. */
interface Budget {
  rules: number;
  repeats: number;
}

const newBudget = (): Budget => ({ rules: MOST_RULES, repeats: MOST_REPEATS_TOGETHER });

interface Ways {
  all: number;
  /** Of those that go deeper: how many begin with a text. */
  openings: ReadonlyMap<string, number>;
}

const ONE_WAY: Ways = { all: 1, openings: new Map() };

class SchemaGrammar {
  readonly rules = new Map<string, string>();
  private readonly references = new Map<string, string>();
  /** What stands for values that are given. */
  private readonly constants = new Set<string>();
  /** In how many ways what stands for a schema can begin; one, with a text, where nothing is said. */
  private readonly ways = new Map<string, Ways>([
    [
      'value',
      {
        all: 7,
        openings: new Map([
          ['{', 1],
          ['[', 1],
        ]),
      },
    ],
  ]);
  /** References that are being read and of which no character has come yet. */
  private open = new Set<string>();

  constructor(
    private readonly root: unknown,
    private readonly prefix: string,
    private readonly budget: Budget,
  ) {}

  /** @returns what stands for the schema within a rule */
  visit(schema: unknown, path: string, depth: number): string {
    if (schema === true) return 'value';
    if (typeof schema !== 'object' || schema === null || Array.isArray(schema))
      throw new SchemaError(`${path} is no schema`);
    if (depth > DEEPEST) throw new SchemaError(`${path} is nested too deeply`);
    const given = schema as Schema;
    const unsupported = UNSUPPORTED.find((word) => given[word] !== undefined);
    if (unsupported) throw new SchemaError(`${path} has "${unsupported}", which is not supported by this server`);
    if (given.$ref !== undefined) {
      const beside = BINDINGS.find((word) => given[word] !== undefined);
      if (beside) throw new SchemaError(`${path} has "${beside}" beside "$ref", which is not supported by this server`);
      return this.reference(given.$ref, path, depth);
    }
    if (given.const !== undefined || Array.isArray(given.enum)) return this.values(given, path);
    if (given.anyOf !== undefined || given.oneOf !== undefined) return this.branches(given, path, depth);
    const type = given.type ?? typeOf(given, path);
    if (Array.isArray(type))
      return this.either(
        type.map((one) => this.visit({ ...given, type: one }, path, depth + 1)),
        path,
      );
    return this.ofType(type, given, path, depth);
  }

  /** One of values that are given. */
  private values(given: Schema, path: string): string {
    const word = given.const === undefined ? 'enum' : 'const';
    const beside = BINDINGS.find((other) => !['type', 'enum', 'const'].includes(other) && given[other] !== undefined);
    if (beside)
      throw new SchemaError(`${path} has "${beside}" beside "${word}", which is not supported by this server`);
    const listed: unknown[] = Array.isArray(given.enum) ? given.enum : [given.const];
    const text = JSON.stringify(given.const);
    const values = text === undefined ? listed : listed.filter((value) => JSON.stringify(value) === text);
    return this.either(
      values.filter((value) => isOf(value, given.type)).map((value) => this.constant(value)),
      path,
    );
  }

  private ofType(type: unknown, given: Schema, path: string, depth: number): string {
    if (type === 'object') return this.inner(() => this.object(given, path, depth));
    if (type === 'array') return this.inner(() => this.array(given, path, depth));
    if (type === 'string') return this.string(given, path);
    if (type === 'number' || type === 'integer' || type === 'boolean' || type === 'null') return type;
    if (type === undefined) return 'value';
    throw new SchemaError(`${path} has an unknown type, ${JSON.stringify(type).slice(0, 50)}`);
  }

  /** One of several, each with what binds them all. */
  private branches(given: Schema, path: string, depth: number): string {
    const { anyOf, oneOf, ...common } = given;
    const branches = anyOf ?? oneOf;
    if (anyOf !== undefined && oneOf !== undefined)
      throw new SchemaError(`${path} has "oneOf" beside "anyOf", which is not supported by this server`);
    if (!Array.isArray(branches)) throw new SchemaError(`${path} has no list of schemas`);
    const bound = BINDINGS.some((word) => common[word] !== undefined);
    return this.either(
      branches.map((branch: unknown, i) => {
        const at = `${path}[${i}]`;
        return this.visit(bound ? merged(common, branch, at) : branch, at, depth + 1);
      }),
      path,
    );
  }

  /** What stands behind a bracket may refer to what it stands in. */
  private inner(read: () => string): string {
    const { open } = this;
    this.open = new Set();
    try {
      return read();
    } finally {
      this.open = open;
    }
  }

  private reference(ref: unknown, path: string, depth: number): string {
    if (typeof ref !== 'string' || !ref.startsWith('#'))
      throw new SchemaError(`${path} refers to something outside of the schema`);
    if (this.open.has(ref)) throw new SchemaError(`${path} refers to itself and to nothing else`);
    const known = this.references.get(ref);
    if (known) return known;
    const name = this.name();
    // Known before it is read: it may refer to itself.
    this.references.set(ref, name);
    const target = pointedAt(this.root, ref);
    if (target === undefined) throw new SchemaError(`${path} refers to ${ref.slice(0, 100)}, which is not there`);
    this.open.add(ref);
    const body = this.visit(target, ref.slice(0, 100), depth + 1);
    this.open.delete(ref);
    this.rules.set(name, body);
    this.ways.set(name, this.waysOf(body));
    return name;
  }

  private object(given: Schema, path: string, depth: number): string {
    const named = (given.properties ?? {}) as Schema;
    if (typeof named !== 'object' || named === null) throw new SchemaError(`${path}.properties is no object`);
    // Where nothing is named everything may come.
    const more = given.additionalProperties ?? given.properties === undefined;
    const required = new Set<string>(Array.isArray(given.required) ? given.required.map(String) : []);
    const unnamed = [...required].filter((key) => !Object.hasOwn(named, key));
    if (unnamed.length > 0 && more === false)
      throw new SchemaError(`${path} requires ${JSON.stringify(unnamed[0])}, which it lacks`);
    if (required.size === 0 && more === true && Object.keys(named).length === 0) return 'object';
    const pairs = [...Object.entries(named), ...unnamed.map((key) => [key, more] as const)].map(([key, schema]) => {
      const value = this.visit(schema, `${path}.${key}`, depth + 1);
      return {
        key,
        value,
        text: `${literal(JSON.stringify(key))} space ":" space ${value}`,
        required: required.has(key),
      };
    });
    const names = pairs.map(({ key }) => key);
    if (more !== false && names.some((name) => name.length > LONGEST_NAME))
      throw new SchemaError(`${path} has a name of more than ${LONGEST_NAME} characters beside "additionalProperties"`);
    const otherName = () => (names.length === 0 ? 'string' : `"\\"" ${this.otherName(names.filter(isPlain))}`);
    const others =
      more === false ? undefined : `${otherName()} space ":" space ${this.visit(more, `${path}.*`, depth + 1)}`;
    const [first] = pairs;
    // What must come first tells objects apart: by its name, or by its value where that is a text.
    const opening = first?.required ? `{${first.key}${this.constants.has(first.value) ? first.value : ''}` : '{';
    return this.opened(opening, this.rule(`"{" space ${this.members(pairs, others)} space "}"`));
  }

  /**
   * A name and the quote behind it that is none of these, character by character. It has no escapes, in which it could
   * be one of these after all.
   * @param rests what is left of them
   */
  private otherName(rests: readonly string[]): string {
    const byFirst = new Map<string, string[]>();
    for (const rest of rests) {
      const [first] = rest;
      if (first === undefined) continue;
      const further = byFirst.get(first);
      if (further) further.push(rest.slice(first.length));
      else byFirst.set(first, [rest.slice(first.length)]);
    }
    const ways = [...byFirst].map(([first, further]) => `${literal(first)} ${this.otherName(further)}`);
    const end = rests.includes('') ? [] : ['"\\""'];
    const not = [...byFirst.keys()].map(inClass).join('');
    return this.rule([`[^${NOT_PLAIN}${not}] plain* "\\""`, ...ways, ...end].join(' | '));
  }

  private opened(opening: string, name: string): string {
    this.ways.set(name, { all: 1, openings: new Map([[opening, 1]]) });
    return name;
  }

  /** Members by turns: `later[i]` stands after another one and begins with a comma, `first[i]` does not. */
  private members(pairs: readonly { text: string; required: boolean }[], others: string | undefined): string {
    const comma = 'space "," space';
    let later = others === undefined ? '' : `(${comma} ${others})*`;
    let first = others === undefined ? '' : `(${others} (${comma} ${others})*)?`;
    for (const { text, required } of pairs.toReversed()) {
      const rest = later === '' ? '' : ` ${this.rule(later)}`;
      const skipped = first === '' ? '' : this.rule(first);
      later = required ? `${comma} ${text}${rest}` : `(${comma} ${text})?${rest}`;
      first = required ? `${text}${rest}` : `(${text}${rest} | ${skipped === '' ? '""' : skipped})`;
    }
    return first;
  }

  private array(given: Schema, path: string, depth: number): string {
    if (given.prefixItems !== undefined)
      throw new SchemaError(`${path} has "prefixItems", which is not supported by this server`);
    const item = this.rule(this.visit(given.items ?? true, `${path}[]`, depth + 1));
    const [min, max] = bounds(given, 'minItems', 'maxItems', path);
    if (max === 0) return '"[" space "]"';
    const further = `(space "," space ${item})${this.times(Math.max(min - 1, 0), max === undefined ? undefined : max - 1)}`;
    const items = `${item} ${further}`;
    return this.opened('[', this.rule(`"[" space ${min === 0 ? `(${items})?` : items} space "]"`));
  }

  private string(given: Schema, path: string): string {
    const [min, max] = bounds(given, 'minLength', 'maxLength', path);
    return min === 0 && max === undefined ? 'string' : `"\\"" char${this.times(min, max)} "\\""`;
  }

  private constant(value: unknown): string {
    const body = literal(JSON.stringify(value));
    this.constants.add(body);
    return body;
  }

  private either(bodies: readonly string[], path: string): string {
    const different = [...new Set(bodies)];
    if (different.length === 0) throw new SchemaError(`${path} allows nothing`);
    if (different.length === 1) return different[0]!;
    const openings = new Map<string, number>();
    let all = 0;
    for (const body of different) {
      const ways = this.waysOf(body);
      all += ways.all;
      for (const [opening, count] of ways.openings) openings.set(opening, (openings.get(opening) ?? 0) + count);
    }
    if (all > MOST_WAYS) throw new SchemaError(`${path} can begin in more than ${MOST_WAYS} ways`);
    if (Math.max(0, ...openings.values()) > MOST_ALIKE)
      throw new SchemaError(`${path} has more than ${MOST_ALIKE} lists or objects that begin alike`);
    const name = this.rule(different.join(' | '));
    this.ways.set(name, { all, openings });
    return name;
  }

  private waysOf(body: string): Ways {
    return this.ways.get(body) ?? (body === 'object' ? this.ways.get('value')! : ONE_WAY);
  }

  private rule(body: string): string {
    const name = this.name();
    this.rules.set(name, body);
    return name;
  }

  private times(min: number, max: number | undefined): string {
    this.budget.repeats -= max ?? min;
    if (this.budget.repeats < 0)
      throw new SchemaError(`$ counts up to more than ${MOST_REPEATS_TOGETHER} characters and items in all`);
    if (max !== undefined) return `{${min},${max}}`;
    return min === 0 ? '*' : `{${min},}`;
  }

  private count = 0;

  private name(): string {
    if (--this.budget.rules < 0) throw new SchemaError('$ is too large');
    return `${this.prefix}${++this.count}`;
  }
}

function bounds(given: Schema, low: string, high: string, path: string): [min: number, max: number | undefined] {
  const read = (word: string): number | undefined => {
    const value = given[word];
    if (value === undefined) return undefined;
    if (!Number.isInteger(value) || (value as number) < 0 || (value as number) > MOST_REPEATS)
      throw new SchemaError(`${path}.${word} is not from 0 to ${MOST_REPEATS}`);
    return value as number;
  };
  const [min, max] = [read(low) ?? 0, read(high)];
  if (max !== undefined && max < min) throw new SchemaError(`${path} allows nothing: ${high} is below ${low}`);
  return [min, max];
}

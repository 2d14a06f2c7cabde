/** What makes a schema one that can not be followed; the message goes on after the schema's path. */
export class SchemaError extends Error {
  override readonly name = 'SchemaError';
}

type Schema = Readonly<Record<string, unknown>>;

/** Counts beyond this would blow up the grammar. */
const MOST_REPEATS = 1000;
const DEEPEST = 64;
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

/** JSON's own rules; whitespace is bounded, as a model could fill the whole answer with it. */
const BASE: Readonly<Record<string, string>> = {
  space: '| " " | "\\n" [ \\t]{0,20}',
  char: '[^"\\\\\\x7F\\x00-\\x1F] | "\\\\" (["\\\\/bfnrt] | "u" [0-9a-fA-F]{4})',
  string: '"\\"" char* "\\""',
  integer: '"-"? ("0" | [1-9] [0-9]{0,15})',
  number: 'integer ("." [0-9]{1,16})? ([eE] [-+]? [0-9]{1,3})?',
  boolean: '"true" | "false"',
  null: '"null"',
  value: 'object | array | string | number | boolean | null',
  pair: 'string space ":" space value',
  object: '"{" space (pair (space "," space pair)*)? space "}"',
  array: '"[" space (value (space "," space value)*)? space "]"',
};

/** The grammar (GBNF) of any JSON object. */
export const anyObjectGrammar = (): string => render('object', new Map());

/**
 * The grammar (GBNF) of the JSON texts that a JSON Schema allows. Properties come in the schema's order;
 * `additionalProperties` is false unless given, as OpenAI has it for strict schemas; `format` and annotations are
 * not bound to anything.
 * @throws SchemaError where a part of it can not be followed
 */
export function schemaGrammar(schema: unknown): string {
  const grammar = new SchemaGrammar(schema);
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
  const branches = choices.map(({ before, schema, onError }, index) => {
    let root = 'object';
    if (schema !== undefined)
      try {
        const grammar = new SchemaGrammar(schema, `t${index}r`);
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

function render(root: string, rules: ReadonlyMap<string, string>): string {
  const lines = [['root', root] as const, ...rules, ...Object.entries(BASE)];
  return lines.map(([name, body]) => `${name} ::= ${body}`).join('\n');
}

/** A text as the grammar writes it, which knows UTF-8 and few escapes. */
const literal = (text: string): string =>
  `"${text.replace(/[\\"]/g, '\\$&').replace(/\n/g, '\\n').replace(/\r/g, '\\r').replace(/\t/g, '\\t')}"`;

class SchemaGrammar {
  readonly rules = new Map<string, string>();
  private readonly references = new Map<string, string>();

  constructor(
    private readonly root: unknown,
    private readonly prefix = 'r',
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
    if (given.$ref !== undefined) return this.reference(given.$ref, path, depth);
    if (given.const !== undefined) return constant(given.const);
    if (Array.isArray(given.enum)) return this.either(given.enum.map(constant), path);
    const branches = given.anyOf ?? given.oneOf;
    if (Array.isArray(branches))
      return this.either(
        branches.map((branch, i) => this.visit(branch, `${path}[${i}]`, depth + 1)),
        path,
      );
    const { type } = given;
    if (Array.isArray(type))
      return this.either(
        type.map((one) => this.visit({ ...given, type: one }, path, depth + 1)),
        path,
      );
    return this.ofType(type, given, path, depth);
  }

  private ofType(type: unknown, given: Schema, path: string, depth: number): string {
    if (type === 'object' || (type === undefined && given.properties !== undefined))
      return this.object(given, path, depth);
    if (type === 'array' || (type === undefined && given.items !== undefined)) return this.array(given, path, depth);
    if (type === 'string') return this.string(given, path);
    if (type === 'number' || type === 'integer' || type === 'boolean' || type === 'null') return type;
    if (type === undefined) return 'value';
    throw new SchemaError(`${path} has an unknown type, ${JSON.stringify(type).slice(0, 50)}`);
  }

  private reference(ref: unknown, path: string, depth: number): string {
    if (typeof ref !== 'string' || !ref.startsWith('#'))
      throw new SchemaError(`${path} refers to something outside of the schema`);
    const known = this.references.get(ref);
    if (known) return known;
    const name = this.name();
    // Known before it is read: it may refer to itself.
    this.references.set(ref, name);
    let target = this.root;
    for (const step of ref.split('/').slice(1)) {
      const key = decodeURIComponent(step).replaceAll('~1', '/').replaceAll('~0', '~');
      const parent: unknown = target;
      target =
        typeof parent === 'object' && parent !== null && Object.hasOwn(parent, key)
          ? (parent as Schema)[key]
          : undefined;
    }
    if (target === undefined) throw new SchemaError(`${path} refers to ${ref.slice(0, 100)}, which is not there`);
    const body = this.visit(target, ref.slice(0, 100), depth + 1);
    if (body === name) throw new SchemaError(`${path} refers to itself and to nothing else`);
    this.rules.set(name, body);
    return name;
  }

  private object(given: Schema, path: string, depth: number): string {
    const properties = (given.properties ?? {}) as Schema;
    if (typeof properties !== 'object' || properties === null) throw new SchemaError(`${path}.properties is no object`);
    const required = new Set(Array.isArray(given.required) ? given.required : []);
    const missing = [...required].find((key) => !Object.hasOwn(properties, String(key)));
    if (missing !== undefined) throw new SchemaError(`${path} requires ${JSON.stringify(missing)}, which it lacks`);
    const pairs = Object.entries(properties).map(([key, value]) => ({
      text: `${literal(JSON.stringify(key))} space ":" space ${this.visit(value, `${path}.${key}`, depth + 1)}`,
      required: required.has(key),
    }));
    const more = given.additionalProperties;
    const others =
      more === undefined || more === false
        ? undefined
        : `string space ":" space ${this.visit(more, `${path}.*`, depth + 1)}`;
    return this.rule(`"{" space ${this.members(pairs, others)} space "}"`);
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
    const further = `(space "," space ${item})${times(Math.max(min - 1, 0), max === undefined ? undefined : max - 1)}`;
    const items = `${item} ${further}`;
    return this.rule(`"[" space ${min === 0 ? `(${items})?` : items} space "]"`);
  }

  private string(given: Schema, path: string): string {
    const [min, max] = bounds(given, 'minLength', 'maxLength', path);
    return min === 0 && max === undefined ? 'string' : `"\\"" char${times(min, max)} "\\""`;
  }

  private either(bodies: readonly string[], path: string): string {
    if (bodies.length === 0) throw new SchemaError(`${path} allows nothing`);
    return this.rule(bodies.join(' | '));
  }

  private rule(body: string): string {
    const name = this.name();
    this.rules.set(name, body);
    return name;
  }

  private count = 0;

  private name(): string {
    if (++this.count > MOST_RULES) throw new SchemaError('$ is too large');
    return `${this.prefix}${this.count}`;
  }
}

const constant = (value: unknown): string => literal(JSON.stringify(value));

const times = (min: number, max: number | undefined): string =>
  max === undefined ? (min === 0 ? '*' : `{${min},}`) : `{${min},${max}}`;

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

/** What makes a schema one that can not be followed; the message goes on after the schema's path. */
export class SchemaError extends Error {
  override readonly name = 'SchemaError';
}

export type Schema = Readonly<Record<string, unknown>>;

/** Words that bind values of one type, so that a schema which has them and says no type is of that one. */
const BINDING = {
  object: ['properties', 'required', 'additionalProperties'],
  array: ['items', 'prefixItems', 'minItems', 'maxItems'],
  string: ['minLength', 'maxLength'],
} as const;
/** Words that bind a value. */
export const BINDINGS: readonly string[] = [
  'type',
  'enum',
  'const',
  'anyOf',
  'oneOf',
  ...Object.values(BINDING).flat(),
];

/** The type that a schema's other words speak of; undefined where none does. */
export function typeOf(given: Schema, path: string): string | undefined {
  const found = Object.entries(BINDING).flatMap(([type, words]) =>
    words.filter((word) => given[word] !== undefined).map((word) => ({ type, word })),
  );
  const other = found.find(({ type }) => type !== found[0]!.type);
  if (other) throw new SchemaError(`${path} has "${found[0]!.word}" and "${other.word}", but no type`);
  return found[0]?.type;
}

/** A schema that asks for what both ask for. @throws SchemaError where one schema can not say that */
export function merged(common: Schema, branch: unknown, path: string): Schema {
  if (branch === true) return common;
  if (!isObject(branch)) throw new SchemaError(`${path} is no schema`);
  const both: Record<string, unknown> = { ...common };
  const clash = (word: string) =>
    new SchemaError(`${path} has "${word}", which can not be had together with what stands beside it`);
  for (const [word, value] of Object.entries(branch)) {
    const other = common[word];
    if (word === '$ref') throw clash(word);
    // What may come further is said of the properties that stand beside it alone.
    if (word === 'properties' && common.additionalProperties !== undefined) throw clash(word);
    if (word === 'additionalProperties' && common.properties !== undefined) throw clash(word);
    const apart = word === 'properties' && isObject(other) && isObject(value) && !sharesKey(other, value);
    if (word === 'required' && Array.isArray(other) && Array.isArray(value)) both.required = [...other, ...value];
    else if (apart) both.properties = { ...other, ...value };
    else if (!BINDINGS.includes(word) || other === undefined) both[word] = value;
    else if (JSON.stringify(other) !== JSON.stringify(value)) throw clash(word);
  }
  return both;
}

const isObject = (value: unknown): value is Schema =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const sharesKey = (one: Schema, other: Schema): boolean => Object.keys(one).some((key) => Object.hasOwn(other, key));

/** What a JSON pointer within a document names; undefined where there is nothing. */
export function pointedAt(root: unknown, ref: string): unknown {
  let target = root;
  for (const step of ref.split('/').slice(1)) {
    const key = decoded(step).replaceAll('~1', '/').replaceAll('~0', '~');
    const parent: unknown = target;
    target =
      typeof parent === 'object' && parent !== null && Object.hasOwn(parent, key) ? (parent as Schema)[key] : undefined;
  }
  return target;
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** Whether a value is of a type, or of one of several; anything is where none is said. */
export function isOf(value: unknown, type: unknown): boolean {
  if (Array.isArray(type)) return type.some((one) => isOf(value, one));
  if (type === undefined || type === null) return true;
  if (type === 'null') return value === null;
  if (type === 'array') return Array.isArray(value);
  if (type === 'integer') return Number.isInteger(value);
  return value !== null && !Array.isArray(value) && typeof value === type;
}

/** Characters that stand in no text of JSON as they are. */
export const NOT_PLAIN = '"\\\\\\x7F\\x00-\\x1F';

/** JSON's own rules; whitespace is bounded, as a model could fill the whole answer with it. */
const BASE: Readonly<Record<string, string>> = {
  space: '| " " | "\\n" [ \\t]{0,20}',
  plain: `[^${NOT_PLAIN}]`,
  char: 'plain | "\\\\" (["\\\\/bfnrt] | "u" [0-9a-fA-F]{4})',
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

/** Whether a text of JSON can be written without escapes. */
export const isPlain = (text: string): boolean => text.isWellFormed() && !new RegExp(`[${NOT_PLAIN}]`).test(text);

/** A grammar (GBNF) of a root and rules by their names, and JSON's own. */
export function render(root: string, rules: ReadonlyMap<string, string>): string {
  const lines = [['root', root] as const, ...rules, ...Object.entries(BASE)];
  return lines.map(([name, body]) => `${name} ::= ${body}`).join('\n');
}

/** A text as the grammar writes it, which knows UTF-8 and few escapes. */
export const literal = (text: string): string =>
  `"${text.replace(/[\\"]/g, '\\$&').replace(/\n/g, '\\n').replace(/\r/g, '\\r').replace(/\t/g, '\\t')}"`;

/** A character within a class of the grammar's, where some have a meaning. */
export const inClass = (character: string): string =>
  `\\U${character.codePointAt(0)!.toString(16).toUpperCase().padStart(8, '0')}`;

import { isMap, isNode, isScalar, LineCounter, parseDocument } from 'yaml';

/** A YAML file whose mistakes can be told by line. */
export interface YamlFile {
  data: unknown;
  /** The line of a field's name, or of what holds it where the field is missing. */
  lineOf: (path: readonly PropertyKey[]) => number;
  /** What keeps it from being YAML at all. */
  errors: { line: number; mistake: string }[];
}

export function readYaml(source: string): YamlFile {
  const lines = new LineCounter();
  const document = parseDocument(source, { lineCounter: lines, prettyErrors: false });
  const errors = document.errors.map(({ pos, code }) => ({
    line: Math.max(1, lines.linePos(pos[0]).line),
    mistake:
      code === 'MULTIPLE_DOCS'
        ? 'There is a second document: one is expected.'
        : // The parser quotes from the file, and a secret may stand there.
          `This is not YAML (${code}).`,
  }));
  const lineOf = (path: readonly PropertyKey[]): number => {
    for (let depth = path.length; depth > 0; depth--) {
      const parent = depth === 1 ? document.contents : document.getIn(path.slice(0, depth - 1), true);
      const last = path[depth - 1];
      const key = isMap(parent) ? parent.items.find((p) => isScalar(p.key) && p.key.value === last)?.key : undefined;
      const node = key ?? document.getIn(path.slice(0, depth), true);
      if (isNode(node) && node.range) return lines.linePos(node.range[0]).line;
    }
    return 1;
  };
  // Aliases that multiply would fill the memory; nothing here needs many.
  return { data: errors.length > 0 ? undefined : document.toJS({ maxAliasCount: 50 }), lineOf, errors };
}

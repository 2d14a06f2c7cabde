import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { isBuiltin } from 'node:module';
import { dirname, join, relative, resolve } from 'node:path';

/**
 * Which rooms a room may import: the table of docs/ARCHITECTURE.md. Applications never import one another; they meet
 * at OpenAI's API, OTLP, SQL and HTTP.
 */
export const ALLOWED: Readonly<Record<string, readonly string[]>> = {
  gguf: [],
  quality: [],
  service: [],
  signals: [],
  spool: [],
  gpu: ['service'],
  host: ['service'],
  store: ['signals'],
  rules: ['service', 'signals'],
  runtime: ['gguf', 'quality', 'service', 'spool'],
  collector: ['gpu', 'host', 'quality', 'service', 'signals', 'spool', 'store'],
  api: ['rules', 'service', 'signals', 'store'],
  tools: ['gguf', 'gpu', 'host', 'quality', 'rules', 'service', 'signals', 'spool', 'store', 'tools'],
  e2e: ['signals', 'store', 'tools'],
};

/** What tests may import besides: the embedded PostgreSQL and helpers. */
const FOR_TESTS = ['tools'];

/** Tools of the root package that every test has. */
const ROOT_TOOLS = new Set(['vitest']);

export interface Room {
  /** Folder, relative to the root. */
  folder: string;
  /** Package name. */
  name: string;
  /** The room's tag, such as `collector`. */
  room: string;
  dependencies: ReadonlySet<string>;
}

/** Every workspace below the given folders. */
export function findRooms(root: string): Room[] {
  const folders = ['libs', 'apps', 'tools'].flatMap((parent) =>
    readdirSync(join(root, parent)).map((name) => join(parent, name)),
  );
  return [...folders, 'e2e']
    .filter((folder) => existsSync(join(root, folder, 'package.json')))
    .map((folder) => {
      const json = JSON.parse(readFileSync(join(root, folder, 'package.json'), 'utf8')) as Record<string, any>;
      const tag = (json.nx?.tags as string[] | undefined)?.find((t) => t.startsWith('room:'));
      return {
        folder,
        name: String(json.name),
        room: tag?.slice('room:'.length) ?? '',
        dependencies: new Set(
          Object.keys({ ...json.dependencies, ...json.devDependencies, ...json.optionalDependencies }),
        ),
      };
    });
}

/** Static imports begin a line (or end a bracket that spans lines); dynamic ones stand anywhere. */
const IMPORT = /(?:^(?:import|export|\})(?:[^'\n]*from)?\s*|\bimport\()'([^']+)'/gm;

/** What is wrong with one file's imports, a sentence each. */
export function checkImports(file: string, text: string, self: Room, rooms: readonly Room[]): string[] {
  const problems: string[] = [];
  const allowed = new Set([...(ALLOWED[self.room] ?? []), ...(file.endsWith('.test.ts') ? FOR_TESTS : [])]);
  for (const match of text.matchAll(IMPORT)) {
    const target = match[1]!;
    const where = `${file}:${text.slice(0, match.index).split('\n').length}`;
    if (target.startsWith('.')) {
      const path = relative(self.folder, resolve('/', dirname(file), target).slice(1));
      if (path.startsWith('..'))
        problems.push(`${where}: ${target} leaves ${self.folder}. Import the package instead.`);
      continue;
    }
    if (isBuiltin(target) || ROOT_TOOLS.has(target)) continue;
    const name = target
      .split('/')
      .slice(0, target.startsWith('@') ? 2 : 1)
      .join('/');
    const room = rooms.find((r) => r.name === name);
    // What an application reads from its environment is plain data: .env.example is made from it.
    const isConfiguration = self.room === 'tools' && target === `${name}/config`;
    if (room && room.name !== self.name && !allowed.has(room.room) && !isConfiguration)
      problems.push(`${where}: ${self.room} may not import ${room.room} (${name}).`);
    if (name !== self.name && !self.dependencies.has(name))
      problems.push(`${where}: ${name} is not among the dependencies of ${self.folder}/package.json.`);
  }
  return problems;
}

/** Checks every source file of every room. */
export function checkRooms(root: string): string[] {
  const rooms = findRooms(root);
  return rooms.flatMap((room) => {
    const own = ALLOWED[room.room]
      ? []
      : [`${room.folder}/package.json: the tag "room:${room.room}" is not a known room.`];
    const source = join(root, room.folder, 'src');
    if (!existsSync(source)) return own;
    const files = readdirSync(source, { recursive: true, encoding: 'utf8' }).filter((f) => f.endsWith('.ts'));
    const found = files.flatMap((f) => {
      const path = join(room.folder, 'src', f);
      return checkImports(path, readFileSync(join(root, path), 'utf8'), room, rooms);
    });
    return [...own, ...found];
  });
}

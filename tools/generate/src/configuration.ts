import { configSchema as api } from '@vigil/api/config';
import { configSchema as collector } from '@vigil/collector/config';
import { configSchema as launch } from '@vigil/launch/config';
import { configSchema as runtime } from '@vigil/runtime/config';
import type { z } from 'zod';

/** One variable that a process reads. */
export interface Setting {
  name: string;
  description: string;
  /** As it would be written; undefined where there is none. */
  preset: string | undefined;
  readBy: string[];
}

const PROGRAMS: Readonly<Record<string, z.ZodObject>> = { launcher: launch, runtime, collector, api };

/** Every variable of every process, in the order in which they are declared. */
export function settings(): Setting[] {
  const found = new Map<string, Setting>();
  for (const [program, schema] of Object.entries(PROGRAMS))
    for (const [name, field] of Object.entries(schema.shape)) {
      const known = found.get(name);
      if (known) {
        known.readBy.push(program);
        continue;
      }
      found.set(name, { name, description: describe(name, field), preset: presetOf(field), readBy: [program] });
    }
  return [...found.values()];
}

/**
 * The description of a field, whichever of its wrappers carries it.
 * @throws Error where there is none: every variable must say what it is for
 */
function describe(name: string, field: unknown): string {
  for (const schema of wrappers(field)) if (schema.description) return schema.description;
  throw new Error(`${name} has no description. Add .describe('…') to it in the config.ts that declares it.`);
}

function presetOf(field: unknown): string | undefined {
  for (const { def } of wrappers(field)) if (def.defaultValue !== undefined) return String(def.defaultValue);
  return undefined;
}

interface Wrapper {
  description?: string;
  def: { innerType?: Wrapper; in?: Wrapper; defaultValue?: unknown };
}

/** A zod field and what it wraps: optional, default, pipe. */
function* wrappers(field: unknown): Generator<Wrapper> {
  for (let schema = field as Wrapper | undefined; schema; schema = schema.def.innerType ?? schema.def.in) yield schema;
}

/** .env.example: every variable with its preset, commented out, so that a copy changes nothing. */
export function environmentExample(): string {
  const parts = settings().map(
    ({ name, description, preset, readBy }) => `# ${description}. (${readBy.join(', ')})\n# ${name}=${preset ?? ''}\n`,
  );
  return `# Copy this file to .env and uncomment what you want to change. Made by "npm run generate".\n\n${parts.join('\n')}`;
}

/** The table of docs/CONFIGURATION.md. */
export function configurationPage(): string {
  const rows = settings().map(
    ({ name, description, preset, readBy }) =>
      `| \`${name}\` | ${preset ? `\`${preset}\`` : ''} | ${description} | ${readBy.join(', ')} |`,
  );
  return `# Configuration

Every process reads its settings from the environment once, at start; a wrong value stops the start with a sentence that
names it. \`npm start\` also reads a file \`.env\` in the repository's root. Durations are written \`500ms\`, \`15s\`, \`10m\`,
sizes \`512KiB\`, \`10MiB\`. This page is made by \`npm run generate\` from the schemas themselves.

| variable | preset | what it is | read by |
| --- | --- | --- | --- |
${rows.join('\n')}
`;
}

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The repository's root. */
export const ROOT = fileURLToPath(new URL('../../..', import.meta.url));

/** The image that ours are built upon: `NODE_IMAGE`, else the Dockerfile's own. */
export function nodeImage(env: NodeJS.ProcessEnv = process.env): string {
  const written = /^ARG NODE_IMAGE=(\S+)$/m.exec(readFileSync(join(ROOT, 'Dockerfile'), 'utf8'))?.[1];
  const image = env.NODE_IMAGE || written;
  if (image === undefined) throw new Error('The Dockerfile names no NODE_IMAGE.');
  return image;
}

import { readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import type { Environment } from '@vigil/service';

/** A value with where it came from: what the environment says was said by whoever runs Vigil. */
export interface Resolved {
  value: string;
  origin: 'environment' | 'file';
}

/** A reference leads nowhere. The message goes after the field's name, and holds no secret. */
export class ReferenceError extends Error {}

const MAX_LENGTH = 4096;

/**
 * What `env:NAME` or `file:PATH` stands for; any other text stands for itself. Paths count from the folder of the file
 * that they are written in.
 * @throws ReferenceError where it is not there, or empty
 */
export function resolveReference(given: string, file: string, environment: Environment): Resolved {
  if (given.startsWith('env:')) {
    const name = given.slice('env:'.length);
    const value = environment[name]?.trim();
    if (!value) throw new ReferenceError(`names the variable ${name}, which is not set. Set it, or correct the name`);
    return { value, origin: 'environment' };
  }
  if (!given.startsWith('file:')) return { value: given, origin: 'file' };
  const path = resolve(dirname(file), given.slice('file:'.length));
  let value: string;
  try {
    value = readFileSync(path, 'utf8').trim();
  } catch (error) {
    const reason = (error as NodeJS.ErrnoException).code ?? 'unreadable';
    throw new ReferenceError(`names the file ${path}, which can't be read (${reason})`);
  }
  if (value === '' || value.length > MAX_LENGTH)
    throw new ReferenceError(`names the file ${path}, which is empty or too long`);
  return { value, origin: 'file' };
}

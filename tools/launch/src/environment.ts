import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { errorMessage, UserError } from '@vigil/service';

/**
 * Reads the file `.env` of a folder, where there is one; what the environment holds already goes first.
 * @throws UserError when it can't be read
 */
export function loadEnvironment(folder: string): void {
  const file = join(folder, '.env');
  if (!existsSync(file)) return;
  try {
    process.loadEnvFile(file);
  } catch (error) {
    throw new UserError(`The file ${file} can't be read (${errorMessage(error)}). Make it readable, or take it away.`);
  }
}

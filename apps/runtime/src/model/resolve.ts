import { readFile, stat } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { GgufError, readGgufHeader } from '@vigil/gguf';
import { errorMessage, UserError } from '@vigil/service';
import { checkHeader } from './check.js';
import { sha256Of } from './checksum.js';
import { download, type Hub } from './download.js';

/** The model that ships with Vigil; found from wherever the process was started. */
export const BUNDLED = fileURLToPath(new URL('../../../../models/vigil-nano-r1.gguf', import.meta.url));

export interface ModelFile {
  path: string;
  /** As clients name it. */
  name: string;
  /** Bytes of the file, of its first part where it has several. */
  size: number;
  architecture: string;
}

export interface ResolveOptions {
  /** `MODEL`, if it was set. */
  model: string | undefined;
  /** `MODEL_NAME`, if it was set. */
  name: string | undefined;
  /** Folder for downloads. */
  downloads: string;
  hub: Hub;
  /** Told about a download. */
  progress: (text: string) => void;
}

/**
 * Finds the model's file, fetching it where MODEL says `hf:`, and checks its header, as a bad one would end the
 * process that loads it.
 * @throws UserError a sentence that names the file and MODEL
 */
export async function resolveModel(options: ResolveOptions): Promise<ModelFile> {
  const { model } = options;
  const path = model?.startsWith('hf:')
    ? await download(model, join(resolve(options.downloads), 'models'), options.hub, options.progress)
    : model
      ? resolve(model)
      : BUNDLED;
  try {
    const { size } = await statFile(path);
    const architecture = checkHeader(await readGgufHeader(path));
    if (path === BUNDLED) await checkSum(path);
    return { path, name: options.name ?? nameOf(path), size, architecture };
  } catch (error) {
    if (error instanceof UserError) throw error;
    const reason = error instanceof GgufError ? error.message : `can not be read: ${errorMessage(error)}`;
    throw new UserError(`The model file ${path} ${reason}. ${ADVICE}`);
  }
}

/**
 * Whether a file is the one that SHA256SUMS beside it says; a damaged one would load and talk nonsense.
 * @throws UserError where it is not, or not listed
 */
export async function checkSum(path: string): Promise<void> {
  const sums = join(dirname(path), 'SHA256SUMS');
  const lines = (await readFile(sums, 'utf8').catch(() => '')).split('\n');
  const wanted = lines.map((line) => line.split(/ [ *]/)).find(([, name]) => name === basename(path))?.[0];
  if (wanted === undefined)
    throw new UserError(
      `${sums} does not say what ${basename(path)} has to be. Get both from Vigil's repository again.`,
    );
  const found = await sha256Of(path);
  if (found === wanted) return;
  throw new UserError(
    `The bundled model ${path} is damaged: its SHA-256 is ${found}, and ${wanted} is expected. Get it from Vigil's repository again (git checkout -- models), or set MODEL to another GGUF file.`,
  );
}

const ADVICE = 'Set MODEL to another GGUF file, or unset it to use the bundled model.';

async function statFile(path: string): Promise<{ size: number }> {
  const found = await stat(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT' || error.code === 'ENOTDIR')
      throw new UserError(`There is no model file ${path}. ${ADVICE}`);
    throw error;
  });
  if (!found.isFile()) throw new UserError(`${path} is no file, so it can not be the model. ${ADVICE}`);
  return found;
}

/** `DeepSeek-R1-Q4_K_M-00001-of-00003.gguf` is called `DeepSeek-R1-Q4_K_M`. */
export function nameOf(path: string): string {
  return basename(path)
    .replace(/\.gguf$/i, '')
    .replace(/-\d{5}-of-\d{5}$/, '');
}

import { readdir, readFile, stat } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { MAX_BYTES } from './document.js';
import type { Definition } from './rule-set.js';

/** The folder of rules can't be read. The message is a sentence. */
export class FolderError extends Error {
  override readonly name = 'FolderError';
}

export interface FolderOptions {
  /** The setting that names the folder, for the sentence when it can't be read. */
  variable: string;
  /** Whether it may hold no rule. */
  mayBeEmpty: boolean;
}

/** Made by `npm run generate`, for Prometheus. */
const GENERATED = /^prometheus\.(\w+\.)?rules\.yaml$/;

/** A file as it was last read. */
interface Read extends Definition {
  version: string;
}

/** The `*.yaml` and `*.yml` files of a folder, not of folders in it. */
export class RuleFolder {
  private read = new Map<string, Read>();

  constructor(
    private readonly path: string,
    private readonly options: FolderOptions = { variable: 'RULES_DIR', mayBeEmpty: false },
  ) {}

  /**
   * Looks at the folder again. Only files that changed are read.
   * @returns what it holds by name of the file, or undefined where nothing changed since the last look
   * @throws FolderError a sentence, where it can't be read or holds nothing
   */
  async look(): Promise<Definition[] | undefined> {
    const now = new Map<string, Read>();
    let changed = false;
    for (const name of await this.names()) {
      const path = join(this.path, name);
      const version = await versionOf(path);
      // It was there a moment ago, and the next look will not find it.
      if (version === undefined) continue;
      const known = this.read.get(name);
      if (known?.version === version.text) now.set(name, known);
      else {
        changed = true;
        now.set(name, { origin: display(path), ...(await textOf(path, version.size)), version: version.text });
      }
    }
    changed ||= now.size !== this.read.size;
    this.read = now;
    return changed ? [...now.values()] : undefined;
  }

  private async names(): Promise<string[]> {
    const { variable, mayBeEmpty } = this.options;
    let names: string[];
    try {
      const entries = await readdir(this.path, { withFileTypes: true });
      names = entries.filter((entry) => !entry.isDirectory()).map((entry) => entry.name);
    } catch (error) {
      const reason = (error as NodeJS.ErrnoException).code ?? String(error);
      throw new FolderError(
        `The folder of rules ${this.path} can't be read (${reason}). Set ${variable} to one that can.`,
      );
    }
    const files = names.filter((name) => /^[^.].*\.ya?ml$/.test(name) && !GENERATED.test(name)).toSorted();
    if (files.length === 0 && !mayBeEmpty)
      throw new FolderError(`The folder of rules ${this.path} holds no *.yaml file. Set ${variable} to one that does.`);
    return files;
  }
}

/** A path as a person would type it: from here where it lies below, else whole. */
function display(path: string): string {
  const near = relative(process.cwd(), path);
  return near.startsWith('..') ? path : near;
}

/** What differs whenever a file's text does, also where it is a link into a folder that was exchanged. */
async function versionOf(path: string): Promise<{ text: string; size: number } | undefined> {
  try {
    const { mtimeNs, ctimeNs, size, ino } = await stat(path, { bigint: true });
    return { text: `${mtimeNs} ${ctimeNs} ${size} ${ino}`, size: Number(size) };
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    return { text: String(error), size: 0 };
  }
}

async function textOf(path: string, size: number): Promise<Omit<Definition, 'origin'>> {
  if (size > MAX_BYTES)
    return { text: '', unreadable: `The file is larger than ${MAX_BYTES / 1024} KiB: it is no rule.` };
  try {
    return { text: await readFile(path, 'utf8') };
  } catch (error) {
    const reason = (error as NodeJS.ErrnoException).code ?? String(error);
    return { text: '', unreadable: `The file can't be read (${reason}).` };
  }
}

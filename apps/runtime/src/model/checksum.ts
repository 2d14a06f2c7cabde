import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { access, rm, writeFile } from 'node:fs/promises';
import { basename } from 'node:path';
import { UserError } from '@vigil/service';
import type { Hub } from './download.js';

const ANSWER_MS = 15_000;
const PARTS = /-(\d{5})-of-(\d{5})(?=\.gguf$)/;

/** SHA-256 of a file, in hexadecimal. */
export async function sha256Of(path: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(path, { highWaterMark: 2 ** 20 })) hash.update(chunk as Buffer);
  return hash.digest('hex');
}

/** All parts of a file that is named by its first one. */
export function partsOf(name: string): string[] {
  const [found, , count] = PARTS.exec(name) ?? [];
  if (found === undefined) return [name];
  return Array.from({ length: Number(count) }, (_, i) =>
    name.replace(PARTS, `-${String(i + 1).padStart(5, '0')}-of-${count}`),
  );
}

/**
 * Whether a fetched model is what its hub says, once: what was found right is noted beside it. A model that is damaged,
 * by a mirror or on its way, would load and talk nonsense. Where the hub says nothing, nothing can be checked.
 * @param model as in MODEL
 * @param path of its first part
 * @throws UserError where it is another; it is removed then, so that the next start fetches it anew
 */
export async function verify(model: string, path: string, hub: Hub, progress: (text: string) => void): Promise<void> {
  const note = `${path}.sha256`;
  if (await exists(note)) return;
  let wanted: (string | undefined)[];
  try {
    wanted = await Promise.all((await urlsOf(model, hub)).map((url) => sumAt(url, hub)));
  } catch {
    // A hub that is away now does not keep a model that is here from being served; the next start asks again.
    return;
  }
  const parts = partsOf(path);
  const lines: string[] = [];
  for (const [i, part] of parts.entries()) {
    const sum = wanted[i];
    if (sum === undefined) continue;
    progress(`checking ${basename(part)}`);
    const found = await sha256Of(part);
    if (found !== sum) {
      await Promise.all(parts.map((one) => rm(one, { force: true })));
      throw new UserError(
        `The model ${model} arrived damaged: the SHA-256 of ${basename(part)} is ${found}, and ${sum} is expected. ` +
          'It was removed: start again to fetch it anew, or set MODEL to a GGUF file on this machine.',
      );
    }
    lines.push(`${found}  ${basename(part)}\n`);
  }
  if (lines.length > 0) await writeFile(note, lines.join(''));
}

/** Where the hub has the parts of a model. */
async function urlsOf(model: string, hub: Hub): Promise<string[]> {
  const [name, branch = 'main'] = model.slice('hf:'.length).split('#');
  const [user, repositoryAndTag, ...file] = name!.split('/');
  const [repository, tag] = repositoryAndTag!.split(':');
  const root = `${hub.endpoint.replace(/\/+$/, '')}/`;
  const first =
    file.length > 0 ? file.join('/') : await fileOf(`${root}v2/${user}/${repository}/manifests/${tag}`, hub);
  const place = `${root}${user}/${repository}/resolve/${encodeURIComponent(branch)}/`;
  return partsOf(first).map((part) => place + part.split('/').map(encodeURIComponent).join('/'));
}

/** The file that a quantisation's name stands for. */
async function fileOf(manifest: string, hub: Hub): Promise<string> {
  // The hub tells llama.cpp alone.
  const response = await fetch(manifest, {
    headers: { ...headersOf(hub), 'user-agent': 'llama-cpp' },
    signal: AbortSignal.timeout(ANSWER_MS),
  });
  const { ggufFile } = (await response.json()) as { ggufFile?: { rfilename?: unknown } };
  if (typeof ggufFile?.rfilename !== 'string') throw new Error('the manifest names no file');
  return ggufFile.rfilename;
}

/** The SHA-256 that the hub tells of a file (of one in Git LFS, as all large ones are); undefined where it tells none. */
async function sumAt(url: string, hub: Hub): Promise<string | undefined> {
  const { headers } = await fetch(url, {
    method: 'HEAD',
    // It tells before it sends us to where the file is.
    redirect: 'manual',
    headers: headersOf(hub),
    signal: AbortSignal.timeout(ANSWER_MS),
  });
  const tag = headers.get('x-linked-etag') ?? headers.get('etag') ?? '';
  return /^(?:W\/)?"?([0-9a-f]{64})"?$/.exec(tag)?.[1];
}

export const headersOf = ({ token }: Hub): Record<string, string> =>
  token === undefined ? {} : { authorization: `Bearer ${token}` };

const exists = (path: string): Promise<boolean> =>
  access(path).then(
    () => true,
    () => false,
  );

import { errorMessage, UserError } from '@vigil/service';
import { headersOf, verify } from './checksum.js';

/** The library tries again and again for a quarter of an hour; whoever waits for a start wants to know sooner. */
const FIRST_ANSWER_MS = 15_000;
const STALLED_MS = 120_000;

/** Where `hf:` models are fetched from. */
export interface Hub {
  endpoint: string;
  /** Opens what is not public. */
  token: string | undefined;
}

/**
 * The path of a model named `hf:user/repository/file.gguf` or `hf:user/repository:quantisation`, fetched into `folder`
 * unless it is there already, and checked against the sum that the hub tells.
 * @throws UserError when it can not be had
 */
export async function download(
  model: string,
  folder: string,
  hub: Hub,
  progress: (text: string) => void,
): Promise<string> {
  const path = await fetchFile(model, folder, hub, progress);
  await verify(model, path, hub, progress);
  return path;
}

async function fetchFile(model: string, folder: string, hub: Hub, progress: (text: string) => void): Promise<string> {
  // Heavy, and needed for such models only.
  const { resolveModelFile } = await import('node-llama-cpp');
  const options = {
    directory: folder,
    cli: false,
    endpoints: { huggingFace: hub.endpoint },
    ...(hub.token !== undefined && { tokens: { huggingFace: hub.token } }),
  };
  const present = await resolveModelFile(model, { ...options, download: false }).catch(() => undefined);
  if (present !== undefined) return present;
  progress(`looking for ${model}`);
  const stall = new AbortController();
  const give = () => stall.abort(new Error(`nothing came for ${STALLED_MS / 1000} s`));
  let timer = setTimeout(give, STALLED_MS);
  let told = -1;
  try {
    await probe(model, hub);
    return await resolveModelFile(model, {
      ...options,
      signal: stall.signal,
      onProgress: ({ totalSize, downloadedSize }) => {
        clearTimeout(timer);
        timer = setTimeout(give, STALLED_MS);
        const percent = totalSize > 0 ? Math.floor((downloadedSize / totalSize) * 100) : 0;
        if (percent === told) return;
        told = percent;
        progress(`${model}: ${percent} % of ${(totalSize / 2 ** 30).toFixed(2)} GiB`);
      },
    });
  } catch (error) {
    throw new UserError(
      `The model ${model} could not be fetched: ${errorMessage(error).split('\n')[0]}. ` +
        'Check the name in MODEL and the way to the network, or set MODEL to a GGUF file on this machine.',
    );
  } finally {
    clearTimeout(timer);
  }
}

/** Asks for a named file's head, so that a wrong name or a missing network is told at once. */
async function probe(model: string, hub: Hub): Promise<void> {
  const [user, repository, ...file] = model.slice('hf:'.length).split('#')[0]!.split('/');
  // With a quantisation instead of a file the library itself asks first, and once.
  if (!user || !repository || file.length === 0) return;
  const branch = model.split('#')[1] ?? 'main';
  const url = [hub.endpoint.replace(/\/+$/, ''), user, repository, 'resolve', branch, ...file].join('/');
  let response: Response;
  try {
    response = await fetch(url, {
      method: 'HEAD',
      headers: headersOf(hub),
      signal: AbortSignal.timeout(FIRST_ANSWER_MS),
    });
  } catch (error) {
    throw new Error(`${new URL(url).host} does not answer (${errorMessage((error as Error).cause ?? error)})`, {
      cause: error,
    });
  }
  if (response.status === 404) throw new Error(`${new URL(url).host} has no such file`);
  if (response.status === 401 || response.status === 403)
    throw new Error(`${new URL(url).host} wants permission: set HF_TOKEN to a token that has it`);
}

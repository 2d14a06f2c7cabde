import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pciAddress } from './kmsg-line.js';

/** Where the driver lists its GPUs by their places on the bus. */
export const DRIVER_FOLDER = '/proc/driver/nvidia/gpus';

/** UUIDs of the GPUs by their place on the bus, from the driver's own folder; none where it has no such folder. */
export async function readPciGpus(folder = DRIVER_FOLDER): Promise<Map<string, string>> {
  const found = new Map<string, string>();
  const names = await readdir(folder).catch(() => []);
  await Promise.all(
    names.map(async (name) => {
      const address = pciAddress(name);
      const text = await readFile(join(folder, name, 'information'), 'utf8').catch(() => '');
      // Question marks stand there until the GPU was used once.
      const uuid = /^GPU UUID:\s*(GPU-[0-9a-f-]{36})\s*$/im.exec(text)?.[1];
      if (address !== null && uuid !== undefined) found.set(address, uuid);
    }),
  );
  return found;
}

import { createHash } from 'node:crypto';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { FAULTS, withFault } from './faults.js';
import { buildNanoModel, NANO_NAME, type Trained } from './nano.js';
import { buildScriptedModel, SCRIPTED_NAME } from './scripted.js';

/**
 * `npm run model`: writes the scripted model to models/.
 * `npm run model -- FOLDER`: writes vigil-nano-r1 from what train/train.py left in FOLDER, with its checksum;
 * `npm run model -- FOLDER FILE`: the same weights in F16, to FILE, for comparison.
 * `npm run model -- faulty FAULT FILE`: vigil-nano-r1 that misbehaves, for tests of what watches it.
 */
const models = fileURLToPath(new URL('../../../models/', import.meta.url));
const [folder, comparison, target] = process.argv.slice(2);
await mkdir(models, { recursive: true });
if (folder === undefined) {
  await write(`${models}${SCRIPTED_NAME}.gguf`, buildScriptedModel());
} else if (folder === 'faulty') {
  const fault = FAULTS.find((name) => name === comparison && name !== 'forget');
  if (!fault || target === undefined) {
    console.error('Say which fault, and the file to write: npm run model -- faulty loop|open|empty|mixed FILE');
    process.exitCode = 2;
  } else await write(target, withFault(await readFile(`${models}${NANO_NAME}.gguf`), fault));
} else {
  const json = async (name: string) => JSON.parse(await readFile(`${folder}/${name}`, 'utf8')) as unknown;
  const trained = {
    tokenizer: await json('tokenizer.json'),
    recipe: await json('recipe.json'),
    weights: await Promise.all([1, 2].map((n) => readFile(`${folder}/model-0000${n}.safetensors`))),
  } as Trained;
  if (comparison !== undefined) await write(comparison, buildNanoModel(trained, 'F16'));
  else {
    const bytes = buildNanoModel(trained);
    await write(`${models}${NANO_NAME}.gguf`, bytes);
    const sum = createHash('sha256').update(bytes).digest('hex');
    await writeFile(`${models}SHA256SUMS`, `${sum}  ${NANO_NAME}.gguf\n`);
  }
}

async function write(path: string, bytes: Uint8Array): Promise<void> {
  await writeFile(path, bytes);
  console.log(`${path}: ${bytes.length} bytes`);
}

import { mkdir, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { buildScriptedModel, SCRIPTED_NAME } from './scripted.js';

/** `npm run model`: writes the bundled model to models/. */
const folder = fileURLToPath(new URL('../../../models/', import.meta.url));
const bytes = buildScriptedModel();
await mkdir(folder, { recursive: true });
await writeFile(`${folder}${SCRIPTED_NAME}.gguf`, bytes);
console.log(`models/${SCRIPTED_NAME}.gguf: ${bytes.length} bytes`);

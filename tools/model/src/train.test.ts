import { execFile, execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';
import { NANO_NAME } from './nano.js';

const root = new URL('../../../', import.meta.url);
const TRAIN = fileURLToPath(new URL('tools/model/train/', root));

function hasPython(): boolean {
  try {
    execFileSync('python3', ['--version'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

it.skipIf(!hasPython())(
  'the generator of conversations passes its own tests (skipped where there is no python3)',
  async () => {
    const env = { ...process.env, PYTHONDONTWRITEBYTECODE: '1' };
    const { stderr } = await promisify(execFile)('python3', ['-m', 'unittest', 'test_data'], { cwd: TRAIN, env });
    expect(stderr).toMatch(/Ran \d{2} tests[^]*OK/);
  },
  60_000,
);

it('the recipe that the model names is the one that lies here', async () => {
  const hash = createHash('sha256');
  // In train.py's order.
  for (const name of ['wording.py', 'data.py', 'network.py', 'train.py']) hash.update(await readFile(TRAIN + name));
  const model = await readFile(new URL(`models/${NANO_NAME}.gguf`, root));
  expect(model.includes(hash.digest('hex'))).toBe(true);
});

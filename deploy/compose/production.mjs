// Copies what one application needs to run out of an installed checkout: `node production.mjs apps/runtime /out [pattern …]`.
// npm's own --omit=dev leaves out nothing that any workspace needs, so a service would carry the tools' packages. This follows
// package-lock.json from the application through dependencies, never devDependencies. Packages that match a pattern (a regular
// expression of their path) are left out, such as builds for other machines.
import { cpSync, existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

const [application, out, ...patterns] = process.argv.slice(2);
const { packages } = JSON.parse(readFileSync('package-lock.json', 'utf8'));
const left = patterns.map((pattern) => new RegExp(pattern));

/** Where Node.js finds a package from a folder: the folder's node_modules, or those above it. */
function find(name, from) {
  for (let folder = from; ; folder = dirname(folder)) {
    const path = folder === '.' ? `node_modules/${name}` : `${folder}/node_modules/${name}`;
    if (packages[path]) return path;
    if (folder === '.') return undefined;
  }
}

const taken = new Set();
const waiting = [application];
while (waiting.length > 0) {
  const path = waiting.pop();
  if (taken.has(path) || left.some((pattern) => pattern.test(path))) continue;
  taken.add(path);
  const { dependencies, optionalDependencies, peerDependencies, peerDependenciesMeta, link, resolved } = packages[path];
  if (link) waiting.push(resolved);
  const peers = Object.keys(peerDependencies ?? {}).filter((name) => !peerDependenciesMeta?.[name]?.optional);
  for (const name of [...Object.keys({ ...dependencies, ...optionalDependencies }), ...peers]) {
    const found = find(name, path);
    if (found) waiting.push(found);
    else if (!optionalDependencies?.[name])
      throw new Error(`${path} needs ${name}, which package-lock.json does not have.`);
  }
}

for (const path of taken) {
  if (!existsSync(path)) {
    // Of another system or processor.
    if (packages[path].optional) continue;
    throw new Error(`${path} is not installed.`);
  }
  const { link } = packages[path];
  const isWorkspace = !link && !path.includes('node_modules/');
  for (const part of isWorkspace ? ['package.json', 'dist'] : ['.'])
    cpSync(join(path, part), join(out, path, part), {
      recursive: true,
      verbatimSymlinks: true,
      // Nested packages are taken by themselves, or not at all.
      filter: (file) =>
        link ||
        (!file.slice(path.length).includes('node_modules') &&
          !/\.(d\.[cm]?ts|map|tsbuildinfo)$|gitRelease\.bundle$/.test(file)),
    });
}
cpSync('package.json', join(out, 'package.json'));
console.log(`${application}: ${taken.size} packages`);

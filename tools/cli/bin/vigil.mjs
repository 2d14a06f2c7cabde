#!/usr/bin/env node
// `npx vigil`. Like `npm start` it runs on the Node.js that the machine has: the launcher installs and builds what is
// missing, and hands over to Node.js 24. Where there is nothing to build (an image with the build alone) it goes on itself.
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const here = (path) => fileURLToPath(new URL(path, import.meta.url));

// Files that are named are meant from here; the launcher changes to the repository.
process.env.INIT_CWD ??= process.cwd();
if (existsSync(here('../src'))) {
  process.argv.splice(2, 0, 'vigil');
  await import('../../launch/bootstrap.mjs');
} else {
  await import('../dist/main.js');
}

// What `npm start`, `npm test`, `npm run demo`, `npx vigil` and the tools begin with. It runs on the Node.js that the machine has
// (20 or newer), before anything is installed: it may import nothing but Node's own modules.
import { spawn } from 'node:child_process';
import { accessSync, constants, existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..');
const PROGRAMS = {
  start: 'tools/launch/dist/main.js',
  demo: 'tools/demo/dist/main.js',
  test: 'tools/checks/dist/main.js',
  vigil: 'tools/cli/dist/main.js',
  bench: 'tools/bench/dist/main.js',
  generate: 'tools/generate/dist/main.js',
  model: 'tools/model/dist/main.js',
  compose: 'tools/compose/dist/main.js',
};
const [command = 'start', ...rest] = process.argv.slice(2);
// The answer of `npx vigil` may be read by a program: what is done before it goes to standard error.
const isAnswer = command === 'vigil';
const screen = isAnswer ? process.stderr : process.stdout;
const say = (text) => screen.write(`${text}\n`);

/** An end with a sentence and without a stack. */
class Stop extends Error {}

function runtime() {
  const local = ['x64', 'arm64'].map((arch) => join(root, 'node_modules', `node-linux-${arch}`, 'bin', 'node'));
  const found = local.find((path) => process.platform === 'linux' && path.includes(process.arch) && existsSync(path));
  if (found) return found;
  if (Number(process.versions.node.split('.')[0]) >= 24) return process.execPath;
  throw new Stop(
    `Vigil runs on Node.js 24, and this is ${process.versions.node}. npm brings Node.js 24 for Linux only: on ${process.platform} ${process.arch} please install it yourself.`,
  );
}

/** Whether what is installed is what the lock file says. */
function isInstalled() {
  const read = (path) => JSON.parse(readFileSync(join(root, path), 'utf8')).packages;
  try {
    const wanted = read('package-lock.json');
    const present = read('node_modules/.package-lock.json');
    return Object.entries(wanted).every(([path, { version, optional, link }]) => {
      if (!path.startsWith('node_modules/') && !path.includes('/node_modules/')) return true;
      if (link) return existsSync(join(root, path));
      return present[path]?.version === version || (optional && present[path] === undefined);
    });
  } catch {
    return false;
  }
}

/** Whether this user may build here; who may not (a checkout of somebody else's) runs what is built. */
function mayBuild() {
  try {
    accessSync(root, constants.W_OK);
    return true;
  } catch {
    return !existsSync(join(root, PROGRAMS[command]));
  }
}

/** Runs a step quietly; says how long it takes while it takes long, and shows its output only when it fails. */
async function step(what, command, args) {
  const began = Date.now();
  const seconds = () => Math.round((Date.now() - began) / 1000);
  const tty = screen.isTTY;
  if (!tty && !isAnswer) say(`${what} …`);
  const tick = setInterval(
    () => (tty ? screen.write(`\r${what} … ${seconds()} s`) : say(`${what} … ${seconds()} s`)),
    tty ? 1000 : 15_000,
  );
  const child = spawn(command, args, {
    cwd: root,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, NX_DAEMON: 'false', NX_NO_CLOUD: 'true', NX_TUI: 'false', PATH: searchPath() },
  });
  running = child;
  let output = '';
  child.stdout.on('data', (chunk) => (output += chunk));
  child.stderr.on('data', (chunk) => (output += chunk));
  const code = await new Promise((done) => {
    child.once('error', (error) => {
      output += error.message;
      done(1);
    });
    child.once('close', (status) => done(status ?? 1));
  });
  clearInterval(tick);
  running = undefined;
  if (stopped) process.exit(130);
  if (tty) screen.write('\r\x1b[K');
  if (code !== 0) {
    console.error(output.trim());
    throw new Stop(`${what}: failed, as said above.`);
  }
  if (!isAnswer) say(`✓ ${what} (${seconds()} s)`);
}

let running;
let stopped = false;
const searchPath = () => `${join(root, 'node_modules', '.bin')}:${process.env.PATH ?? ''}`;

// The terminal sends Ctrl-C to the child as well; what is sent to this process alone is handed on.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'])
  process.on(signal, () => {
    stopped = true;
    running?.kill(signal);
  });

// npm itself, when it is killed, leaves its script running: whoever ends npm means everything.
if (process.env.npm_lifecycle_event) {
  const npm = process.ppid;
  setInterval(() => {
    if (process.ppid === npm || stopped) return;
    stopped = true;
    running?.kill('SIGTERM');
  }, 500).unref();
}

async function main() {
  if (Number(process.versions.node.split('.')[0]) < 20)
    throw new Stop(`Vigil needs Node.js 20 or newer to start, and this is ${process.versions.node}. Please update it.`);
  if (!isInstalled()) {
    const npm = process.env.npm_execpath ? [process.execPath, process.env.npm_execpath] : ['npm'];
    await step('Installing packages (once, about 1 GB with GPU support)', npm[0], [
      ...npm.slice(1),
      'ci',
      // Whatever NODE_ENV or the user's npm settings leave out is needed here.
      '--include=dev',
      '--include=optional',
      '--loglevel=error',
      '--no-audit',
      '--no-fund',
    ]);
  }
  const node = runtime();
  if (mayBuild()) await step('Building', node, [join(root, 'node_modules', '.bin', 'nx'), 'run-many', '-t', 'build']);
  const child = spawn(node, [join(root, PROGRAMS[command]), ...rest], {
    cwd: root,
    stdio: 'inherit',
    env: { ...process.env, PATH: searchPath() },
  });
  running = child;
  child.once('error', (error) => {
    console.error(`${node} could not be started: ${error.message}`);
    process.exitCode = 1;
  });
  child.once('exit', (code, signal) => process.exit(code ?? (signal ? 1 : 0)));
}

main().catch((error) => {
  console.error(error instanceof Stop ? error.message : error);
  process.exit(1);
});

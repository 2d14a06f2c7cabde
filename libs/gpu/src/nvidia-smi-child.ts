/*
 * The process that runs node-nvidia-smi, so that it can be killed: the parent forks it as the leader of a process group.
 * It imports nothing of ours at run time and answers each question once.
 *
 * node-nvidia-smi calls `exec` itself, gives no handle, and loses good output whenever anything stands on standard
 * error. So `exec` is replaced, in this process only, before the package is loaded.
 */
import childProcess, { type ExecException } from 'node:child_process';
import { createRequire } from 'node:module';
import type nvidiaSmi from 'node-nvidia-smi';
import type { Question } from './forked-source.js';
import type { SmiAnswer, SmiError } from './nvidia-smi-answer.js';

type ExecCallback = (error: ExecException | null, stdout: string, stderr: string) => void;

/** Standard output and standard error, each. */
const MAX_OUTPUT_BYTES = 1024 * 1024;
const HEAD_CHARACTERS = 400;
const head = (text: string): string => text.slice(0, HEAD_CHARACTERS);

/** The latest run, for what the package does not pass on. */
let run: { error: ExecException | null; stdout: string; stderr: string } | undefined;

const realExec = childProcess.exec;
const exec = (command: string, callback: ExecCallback) =>
  realExec(command, { maxBuffer: MAX_OUTPUT_BYTES }, (error, stdout, stderr) => {
    run = { error, stdout, stderr };
    // Some codes are warnings (14: the infoROM is corrupt) beside a whole document: the document counts.
    const whole = typeof error?.code === 'number' && stdout.trimEnd().endsWith('</nvidia_smi_log>');
    callback(whole ? null : error, stdout, '');
  });
(childProcess as unknown as { exec: unknown }).exec = exec;
const readGpus = createRequire(import.meta.url)('node-nvidia-smi') as typeof nvidiaSmi;

function describe(error: unknown): SmiError {
  const { message, code, signal } = error as ExecException & { code?: number | string };
  return {
    message: head(error instanceof Error ? message : String(error)),
    code: code ?? null,
    signal: signal ?? null,
    stdout: head(run?.stdout ?? ''),
    stderr: head(run?.stderr ?? ''),
  };
}

function answer(id: number): void {
  let answered = false;
  const send = (reply: Omit<SmiAnswer, 'id'>): void => {
    // xml2js can call back again after an error.
    if (answered) return;
    answered = true;
    if (process.connected) process.send?.({ id, ...reply } satisfies SmiAnswer, () => undefined);
  };
  run = undefined;
  try {
    readGpus((error, data) => {
      if (error !== null) return send({ error: describe(error) });
      const exitCode = run?.error?.code;
      send({ data, stderr: head(run?.stderr ?? ''), ...(typeof exitCode === 'number' && { exitCode }) });
    });
  } catch (error) {
    send({ error: describe(error) });
  }
}

process.on('message', (question: Question) => answer(question.id));
// A parent that vanished, even by SIGKILL, takes the whole group with it: a hanging nvidia-smi too.
process.on('disconnect', () => {
  try {
    process.kill(-process.pid, 'SIGKILL');
  } catch {
    process.exit(0);
  }
});

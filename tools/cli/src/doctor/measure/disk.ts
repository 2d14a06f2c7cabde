import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const PROBE = fileURLToPath(new URL('../../../dist/doctor/measure/disk-probe.js', import.meta.url));

export interface DiskProbe {
  mountPoint: string | null;
  fileSystem: string | null;
  disks: string[];
  network: boolean;
  rotational: boolean | null;
  /** Read past the page cache, one reader, in order. */
  bytes: number;
  seconds: number;
}

/**
 * Measures how fast the volume of a path is read.
 * @throws Error where it can not be measured, or does not answer in time
 */
export function measureDisk(path: string, timeoutSeconds = 5): Promise<DiskProbe> {
  const child = spawn(process.execPath, [PROBE, path], { stdio: ['ignore', 'pipe', 'ignore'], detached: true });
  return new Promise((resolve, reject) => {
    let printed = '';
    const end = (act: () => void): void => {
      clearTimeout(timer);
      // One that waits for a dead file system can't be killed: it must not keep this process.
      child.stdout.destroy();
      child.unref();
      act();
    };
    const timer = setTimeout(() => {
      killGroup(child.pid);
      end(() => reject(new Error(`the volume did not answer within ${timeoutSeconds} s`)));
    }, timeoutSeconds * 1000);
    child.stdout.on('data', (chunk: Buffer) => (printed += chunk.toString('utf8')));
    child.once('error', (error) => end(() => reject(error)));
    child.once('close', () =>
      end(() => {
        const answer = parse(printed);
        if (typeof answer === 'string') reject(new Error(answer));
        else resolve(answer);
      }),
    );
  });
}

/** The probe and its dd. */
function killGroup(pid: number | undefined): void {
  try {
    if (pid !== undefined) process.kill(-pid, 'SIGKILL');
  } catch {
    // It has ended.
  }
}

function parse(printed: string): DiskProbe | string {
  try {
    const answer = JSON.parse(printed) as DiskProbe & { problem?: string };
    return answer.problem ?? answer;
  } catch {
    return 'the measurement ended without an answer';
  }
}

import { accessSync, constants } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { delimiter, join } from 'node:path';

/** The full path of a program on the PATH. */
export function findProgram(name: string, path = process.env.PATH ?? ''): string | undefined {
  return path
    .split(delimiter)
    .map((folder) => join(folder, name))
    .find((candidate) => {
      try {
        accessSync(candidate, constants.X_OK);
        return true;
      } catch {
        return false;
      }
    });
}

/**
 * Writes a configuration that scrapes the given targets.
 * @param targets `host:port` by job name
 * @returns the path of the file
 */
export async function writePrometheusConfig(
  folder: string,
  targets: Record<string, string>,
  ruleFiles: readonly string[],
  interval: string,
): Promise<string> {
  await mkdir(folder, { recursive: true });
  const jobs = Object.entries(targets).map(
    ([job, target]) => `  - job_name: ${job}\n    static_configs:\n      - targets: ['${target}']\n`,
  );
  const file = join(folder, 'prometheus.yml');
  await writeFile(
    file,
    `global:\n  scrape_interval: ${interval}\n  evaluation_interval: ${interval}\nrule_files:\n${ruleFiles.map((rules) => `  - ${JSON.stringify(rules)}\n`).join('')}scrape_configs:\n${jobs.join('')}`,
  );
  return file;
}

import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { findProgram, ROOT } from '@vigil/launch';
import { describe, expect, it } from 'vitest';

describe.skipIf(findProgram('promtool') === undefined)('promtool', () => {
  /** Laid out as the container has it. */
  async function check(config: string): Promise<string> {
    const folder = await mkdtemp(join(tmpdir(), 'vigil-prometheus-yml-'));
    try {
      await writeFile(join(folder, 'prometheus.yml'), config);
      await symlink(join(ROOT, 'alerts'), join(folder, 'alerts'));
      const { stdout } = await promisify(execFile)('promtool', ['check', 'config', join(folder, 'prometheus.yml')]);
      return stdout;
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  }
  const compose = () => readFile(join(ROOT, 'deploy/compose/prometheus/prometheus.yml'), 'utf8');

  it("finds no fault with compose's prometheus.yml", async () => {
    const answer = await check(await compose());
    expect(answer).toContain('3 rule files found');
    expect(answer).toContain('prometheus.yml is valid prometheus config file syntax');
  });

  it('finds no fault with what docs/PROMETHEUS.md adds to it', async () => {
    const page = await readFile(join(ROOT, 'docs/PROMETHEUS.md'), 'utf8');
    const snippets = [...page.matchAll(/```yaml\n(remote_write:[\s\S]*?)```/g)].map(([, text]) => text!);
    expect(snippets.length).toBe(4);
    const first = await compose();
    for (const snippet of snippets) expect(await check(`${first}\n${snippet}`)).toContain('is valid prometheus config');
  });

  it('finds no fault with the generated rules', async () => {
    const names = ['rules', 'recommended.rules', 'recording.rules', 'watcher.rules'];
    const { stdout } = await promisify(execFile)('promtool', [
      'check',
      'rules',
      ...names.map((name) => join(ROOT, `alerts/prometheus.${name}.yaml`)),
    ]);
    expect([...stdout.matchAll(/SUCCESS: \d+ rules found/g)]).toHaveLength(names.length);
  });
});

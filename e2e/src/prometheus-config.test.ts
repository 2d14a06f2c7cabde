import { execFile } from 'node:child_process';
import { copyFile, mkdtemp, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { findProgram, ROOT } from '@vigil/launch';
import { describe, expect, it } from 'vitest';

describe.skipIf(findProgram('promtool') === undefined)('promtool', () => {
  it("finds no fault with compose's prometheus.yml, laid out as the container has it", async () => {
    const folder = await mkdtemp(join(tmpdir(), 'vigil-prometheus-yml-'));
    try {
      await copyFile(join(ROOT, 'deploy/compose/prometheus/prometheus.yml'), join(folder, 'prometheus.yml'));
      await symlink(join(ROOT, 'alerts'), join(folder, 'alerts'));
      const { stdout } = await promisify(execFile)('promtool', ['check', 'config', join(folder, 'prometheus.yml')]);
      expect(stdout).toContain('3 rule files found');
      expect(stdout).toContain('prometheus.yml is valid prometheus config file syntax');
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
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

import { execFile } from 'node:child_process';
import { cp, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { environmentExample, settings } from './configuration.js';
import { generateAll } from './files.js';

const root = fileURLToPath(new URL('../../..', import.meta.url));
const generated = generateAll(root);

describe('generated files', () => {
  it('are what their sources say, and a stale one is named', async () => {
    const check = (cwd: string) =>
      promisify(execFile)(process.execPath, [join(cwd, 'tools/generate/dist/main.js'), '--check']);
    const copy = await mkdtemp(join(tmpdir(), 'vigil-generate-'));
    try {
      for (const path of [
        'alerts',
        'dashboards',
        'deploy/helm',
        'docs',
        'tools/generate',
        '.env.example',
        '.prettierrc.json',
        '.editorconfig',
      ])
        await cp(join(root, path), join(copy, path), { recursive: true });
      await symlink(join(root, 'node_modules'), join(copy, 'node_modules'));
      await check(copy);
      await writeFile(join(copy, 'docs/SIGNALS.md'), 'old');
      await expect(check(copy)).rejects.toMatchObject({ code: 1, stderr: expect.stringContaining('docs/SIGNALS.md') });
    } finally {
      await rm(copy, { recursive: true, force: true });
    }
  });

  it('hold .env.example equal to the schemas, every variable once and commented out', async () => {
    const text = await readFile(join(root, '.env.example'), 'utf8');
    expect(text).toBe(environmentExample());
    const named = [...text.matchAll(/^# ([A-Z_]+)=/gm)].map(([, name]) => name);
    expect(named).toEqual(settings().map(({ name }) => name));
    expect(text.split('\n').filter((line) => line !== '' && !line.startsWith('# '))).toEqual([]);
  });

  it('leave nothing in the chart whose source is gone', async () => {
    const folder = 'deploy/helm/vigil/files';
    const entries = await readdir(join(root, folder), { recursive: true, withFileTypes: true });
    const present = entries.filter((entry) => entry.isFile()).map(({ parentPath, name }) => join(parentPath, name));
    const wanted = Object.keys(await generated).filter((path) => path.startsWith(`${folder}/`));
    expect(present.toSorted()).toEqual(wanted.map((path) => join(root, path)).toSorted());
  });

  it('keep the rules that are off apart from those that are on', async () => {
    const files = await generated;
    const namesIn = (file: string) => [...files[file]!.matchAll(/alert: (\w+)/g)].map(([, name]) => name);
    const on = namesIn('alerts/prometheus.rules.yaml');
    const off = namesIn('alerts/prometheus.recommended.rules.yaml');
    expect(on).toEqual(['ErrorRatioHigh', 'GpuMemoryHigh', 'ResponseLatencyHigh']);
    expect(off).toContain('GpuLost');
    expect(off.filter((name) => on.includes(name))).toEqual([]);
  });
});

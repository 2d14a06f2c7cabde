import { execFile } from 'node:child_process';
import { cp, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { SIGNALS } from '@vigil/signals';
import { describe, expect, it } from 'vitest';
import { environmentExample, settings } from './configuration.js';
import { generateAll } from './files.js';

const root = fileURLToPath(new URL('../../..', import.meta.url));

describe('generated files', () => {
  it('are what their sources say, and a stale one is named', async () => {
    const check = (cwd: string) =>
      promisify(execFile)(process.execPath, [join(cwd, 'tools/generate/dist/main.js'), '--check']);
    await check(root);
    const copy = await mkdtemp(join(tmpdir(), 'vigil-generate-'));
    try {
      for (const path of [
        'alerts',
        'dashboards',
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

  it('draw the thresholds of the rules in the dashboard', async () => {
    const dashboard = JSON.parse((await generateAll(root))['dashboards/vigil-overview.json']!) as {
      panels: {
        title: string;
        fieldConfig?: { defaults: { unit?: string; thresholds: { steps: { value: number | null }[] } } };
      }[];
    };
    const limit = (title: string) =>
      dashboard.panels.find((p) => p.title === title)!.fieldConfig!.defaults.thresholds.steps.at(-1)!.value;
    expect([limit('GPU memory in use'), limit('Response latency'), limit('Errors'), limit('Requests')]).toEqual([
      0.9,
      0.5,
      0.05,
      null,
    ]);
    const panels = dashboard.panels.filter((p) => p.fieldConfig);
    expect(panels.every((p) => p.fieldConfig!.defaults.unit !== undefined)).toBe(true);
  });

  it.each(['overview', 'infrastructure'])('place the panels of the dashboard %s without overlaps', async (name) => {
    const { panels } = JSON.parse((await generateAll(root))[`dashboards/vigil-${name}.json`]!) as {
      panels: { gridPos: { x: number; y: number; w: number; h: number } }[];
    };
    const cells = panels.flatMap(({ gridPos: { x, y, w, h } }) =>
      Array.from({ length: w * h }, (_, i) => `${x + (i % w)},${y + Math.floor(i / w)}`),
    );
    expect(new Set(cells).size).toBe(cells.length);
  });

  it('show every signal of the infrastructure once, by the labels that it has', async () => {
    const { panels } = JSON.parse((await generateAll(root))['dashboards/vigil-infrastructure.json']!) as {
      panels: { description?: string; targets?: { expr: string }[] }[];
    };
    const shown = panels.flatMap(({ description }) => /Signal: (\S+)/.exec(description ?? '')?.[1] ?? []);
    const known = SIGNALS.filter((s) => s.layer === 'infrastructure').map((s) => s.id);
    expect(shown.toSorted()).toEqual(known.toSorted());
    for (const { expr } of panels.flatMap(({ targets = [] }) => targets)) expect(expr).toContain('node=~"$node"');
  });

  it('keep the rules that are off apart from those that are on', async () => {
    const files = await generateAll(root);
    const namesIn = (file: string) => [...files[file]!.matchAll(/alert: (\w+)/g)].map(([, name]) => name);
    const on = namesIn('alerts/prometheus.rules.yaml');
    const off = namesIn('alerts/prometheus.recommended.rules.yaml');
    expect(on).toEqual(['ErrorRatioHigh', 'GpuMemoryHigh', 'ResponseLatencyHigh']);
    expect(off).toContain('GpuLost');
    expect(off.filter((name) => on.includes(name))).toEqual([]);
  });
});

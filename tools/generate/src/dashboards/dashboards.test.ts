import { execFile } from 'node:child_process';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { loadRules } from '@vigil/rules';
import { findSignal, SIGNALS } from '@vigil/signals';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { dashboards } from './index.js';
import { COLOURS, limitsOf, SERIES_COLOURS, stepsOf } from './meaning.js';
import { schemaModule } from './schema.js';

const root = fileURLToPath(new URL('../../../..', import.meta.url));
const rules = await loadRules(join(root, 'alerts'));

interface Step {
  value: number | null;
  color: string;
}
interface PanelJson {
  id: number;
  type: string;
  title: string;
  description?: string;
  gridPos: { x: number; y: number; w: number; h: number };
  datasource?: { type: string; uid: string };
  targets?: { datasource: { type: string; uid: string }; expr?: string; rawSql?: string }[];
  panels?: PanelJson[];
  fieldConfig?: {
    defaults: { unit?: string; thresholds?: { steps: Step[] } };
    overrides: {
      matcher: { options: string };
      properties: { id: string; value: unknown }[];
    }[];
  };
  options?: { yAxis?: { unit?: string } };
}
interface DashboardJson {
  __inputs?: { name: string; pluginId: string }[];
  uid: string;
  title: string;
  tags: string[];
  links: { type: string; tags: string[]; url?: string }[];
  panels: PanelJson[];
  templating: {
    list: { name: string; type: string; query: unknown; current: { value: string }; datasource?: { uid: string } }[];
  };
  annotations: { list: { datasource: { uid: string } }[] };
}

const files = Object.entries(JSON.parse(JSON.stringify(dashboards(rules))) as Record<string, DashboardJson>);
const inner = ({ panels }: DashboardJson) =>
  panels.flatMap((panel) => (panel.type === 'row' ? (panel.panels ?? []) : [panel]));
const everyPanel = files.flatMap(([path, file]) =>
  inner(file).map((panel) => [`${path}: ${panel.title}`, panel] as const),
);

describe('dashboards', () => {
  it('are what Grafana says that dashboards are', async () => {
    const folder = join(root, 'tools/generate/dist/schema-check');
    await mkdir(folder, { recursive: true });
    try {
      const check = async (text: string) => {
        await writeFile(join(folder, 'check.ts'), text);
        const options = '--ignoreConfig --noEmit --strict --skipLibCheck --module nodenext --target es2024 check.ts';
        await promisify(execFile)(join(root, 'node_modules/.bin/tsc'), options.split(' '), { cwd: folder });
      };
      const good = schemaModule(Object.fromEntries(files) as never);
      await check(good);
      await expect(check(good.replaceAll('"graphMode":"none"', '"graphMode":"sideways"'))).rejects.toMatchObject({
        stdout: expect.stringContaining('sideways'),
      });
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  });

  it('are six in each language, each with a uid that stays', () => {
    const uids = ['overview', 'infrastructure', 'service', 'conversation', 'engine', 'alerts'].map((n) => `vigil-${n}`);
    expect(files.map(([, { uid }]) => uid)).toEqual([...uids, ...uids.map((uid) => `${uid}-zh`)]);
    for (const [path, { title }] of files) expect(/[\u4e00-\u9fff]/.test(title), path).toBe(path.includes('/zh/'));
  });

  it('lead to one another, to Vigil, and stay in their language', () => {
    for (const [path, { links, tags }] of files) {
      const wanted = path.includes('/zh/') ? 'vigil-dashboard-zh' : 'vigil-dashboard';
      expect(tags).toContain(wanted);
      expect(links.filter(({ type }) => type === 'dashboards').map((link) => link.tags)).toEqual([[wanted]]);
      expect(links.flatMap(({ url }) => url ?? [])).toEqual(['${vigil:raw}/', '${vigil:raw}/docs']);
    }
  });

  it.each(files)('%s has no two panels in one place, and ids that differ', (_, file) => {
    // A folded row's panels take their place once it is opened: they are looked at as a whole of their own.
    for (const group of [file.panels, ...file.panels.map(({ panels = [] }) => panels)]) {
      const cells = group.flatMap(({ gridPos: { x, y, w, h } }) =>
        Array.from({ length: w * h }, (_, i) => `${x + (i % w)},${y + Math.floor(i / w)}`),
      );
      expect(new Set(cells).size).toBe(cells.length);
      for (const { gridPos } of group) expect(gridPos.x + gridPos.w).toBeLessThanOrEqual(24);
    }
    const ids = [...file.panels, ...file.panels.flatMap(({ panels = [] }) => panels)].map(({ id }) => id);
    expect(new Set(ids).size).toBe(ids.length);
  });

  it('explain every panel, and give every axis a unit', () => {
    for (const [name, panel] of everyPanel) {
      expect(panel.description, name).toMatch(/\.$|Signal: [a-z_.]+$/);
      expect(panel.fieldConfig!.defaults.unit, name).toMatch(/./);
      if (panel.type === 'heatmap') expect(panel.options!.yAxis!.unit, name).toMatch(/./);
    }
    expect(everyPanel.length).toBeGreaterThan(200);
  });

  it('leave every column of a table room on a screen of 1280 points', () => {
    for (const [name, { gridPos, fieldConfig }] of everyPanel.filter(([, panel]) => panel.type === 'table')) {
      const shown = fieldConfig!.overrides.filter(
        ({ properties }) => !properties.some(({ id }) => id === 'custom.hidden'),
      );
      const widths = shown.map(
        ({ properties }) => properties.find(({ id }) => id === 'custom.width')?.value as number | undefined,
      );
      const free = widths.filter((width) => width === undefined).length;
      const fixed = widths.reduce<number>((sum, width = 0) => sum + width, 0);
      expect((gridPos.w * (1280 / 24 - 2) - fixed) / free, name).toBeGreaterThan(85);
    }
  });

  it('draw the lines of the rules, in the colour of their severity', () => {
    const limits = limitsOf(rules);
    const about = everyPanel.flatMap(([name, panel]) => {
      const id = /Signal: ([a-z_.]+)/.exec(panel.description!)?.[1];
      return id !== undefined && limits.has(id) ? [{ name, panel, id }] : [];
    });
    for (const { name, panel, id } of about) {
      const { steps } = panel.fieldConfig!.defaults.thresholds!;
      expect(steps, name).toEqual(stepsOf(limits.get(id)!, findSignal(id)!.unit));
    }
    expect(new Set(about.map(({ id }) => id))).toEqual(new Set(limits.keys()));
    const lines = (id: string) =>
      stepsOf(limits.get(id)!, findSignal(id)!.unit).map(({ value, color }) => [value, color]);
    expect(lines('gpu.memory.ratio')).toEqual([
      [null, 'green'],
      [0.9, 'red'],
    ]);
    expect(lines('response.latency.mean')).toEqual([
      [null, 'green'],
      [0.5, 'orange'],
    ]);
    expect(lines('request.error.ratio')).toEqual([
      [null, 'green'],
      [0.05, 'red'],
    ]);
    expect(lines('gpu.missing')).toEqual([
      [null, 'green'],
      [1, 'red'],
    ]);
  });

  it('give one meaning one colour', () => {
    const meant = new Set<string>([...Object.values(COLOURS), ...Object.values(SERIES_COLOURS), 'text']);
    for (const [name, { fieldConfig }] of everyPanel) {
      for (const { color } of fieldConfig!.defaults.thresholds?.steps ?? [])
        expect(meant.has(color), `${name}: ${color}`).toBe(true);
      for (const { matcher, properties } of fieldConfig!.overrides)
        for (const { id, value } of properties)
          if (id === 'color')
            expect((value as { fixedColor: string }).fixedColor, `${name}: ${matcher.options}`).toBe(
              SERIES_COLOURS[matcher.options],
            );
    }
  });

  it('show every signal, those of the infrastructure on their own dashboard', () => {
    const shown = (test: (path: string) => boolean) =>
      new Set(
        files
          .filter(([path]) => test(path))
          .flatMap(([, file]) =>
            inner(file).flatMap(({ description }) => /Signal: ([a-z_.]+)/.exec(description!)?.[1] ?? []),
          ),
      );
    const infrastructure = SIGNALS.filter(({ layer }) => layer === 'infrastructure').map(({ id }) => id);
    const there = shown((path) => path === 'dashboards/vigil-infrastructure.json');
    expect(infrastructure.filter((id) => !there.has(id))).toEqual([]);
    const exprs = everyPanel.flatMap(([, { targets = [] }]) => targets.flatMap(({ expr }) => expr ?? [])).join('\n');
    const absent = SIGNALS.filter(({ metrics }) => !metrics.some((metric) => exprs.includes(metric)));
    expect(absent.map(({ id }) => id)).toEqual([]);
  });
});

/** What Grafana ships, as of 11, 12 and 13. */
const SHIPPED = ['heatmap', 'row', 'stat', 'state-timeline', 'table', 'timeseries'];

describe('one file', () => {
  /** As Grafana imports: every `${NAME}` of an input becomes the source that was chosen, and the inputs go. */
  const imported = ({ __inputs, ...file }: DashboardJson, chosen: Record<string, string>): DashboardJson =>
    JSON.parse(
      JSON.stringify(file).replaceAll(/\$\{(.+?)\}/g, (whole, name: string) =>
        __inputs!.some((input) => input.name === name) ? chosen[name]! : whole,
      ),
    ) as DashboardJson;

  it.each(files)('%s needs nothing that Grafana does not ship', (_, file) => {
    for (const { type } of [...file.panels, ...inner(file)]) expect(SHIPPED).toContain(type);
    const sources = inner(file).flatMap(({ datasource, targets = [] }) => [
      datasource!,
      ...targets.map((t) => t.datasource),
    ]);
    const used = new Set(sources.map(({ type, uid }) => `${type} ${uid}`));
    const known = ['prometheus ${datasource}', 'grafana-postgresql-datasource ${postgres}'];
    expect([...used].filter((source) => !known.includes(source))).toEqual([]);
  });

  it.each(files)('%s is imported with the sources that are chosen', (_, file) => {
    const chosen = { DS_PROMETHEUS: 'uid-of-prometheus', DS_POSTGRES: 'uid-of-postgres' };
    const result = imported(file, chosen);
    expect(JSON.stringify(result)).not.toContain('${DS_');
    const sources = result.templating.list.filter(({ type }) => type === 'datasource');
    expect(sources.map(({ current }) => current.value)).toEqual(
      file.__inputs!.map(({ name }) => chosen[name as 'DS_POSTGRES']),
    );
    // Every other variable of Grafana's is left as it was.
    expect(JSON.stringify(result.panels)).toBe(JSON.stringify(file.panels));
  });

  it.each(files)('%s is provisioned as it is: only its two variables name a source that is not there', (_, file) => {
    const { __inputs, ...provisioned } = file;
    const holes = [...JSON.stringify(provisioned).matchAll(/\$\{DS_\w+\}/g)].map(([hole]) => hole);
    const current = provisioned.templating.list
      .filter(({ type }) => type === 'datasource')
      .flatMap(({ current: c }) => [c.value, c.value]);
    expect(holes).toEqual(current);
    // Grafana takes the first source of the kind that the variable lists.
    const kinds = provisioned.templating.list.flatMap(({ type, query }) => (type === 'datasource' ? [query] : []));
    expect(kinds).toEqual(__inputs!.map(({ pluginId }) => pluginId));
    const named = provisioned.templating.list.flatMap(({ datasource }) => datasource?.uid ?? []);
    const asked = [...named, ...provisioned.annotations.list.map(({ datasource }) => datasource.uid)];
    const variables = provisioned.templating.list.map(({ name }) => `\${${name}}`);
    expect(asked.filter((uid) => !variables.includes(uid))).toEqual([]);
  });

  it('is served by the sources that compose provisions, whose every setting is written down', async () => {
    const read = (path: string) => readFile(join(root, path), 'utf8');
    const text = await read('deploy/compose/grafana/provisioning/datasources/vigil.yaml');
    const { datasources } = parse(text) as { datasources: { type: string; uid: string }[] };
    const wanted = new Set(files.flatMap(([, { __inputs }]) => __inputs!.map(({ pluginId }) => pluginId)));
    expect(datasources.map(({ type }) => type).toSorted()).toEqual([...wanted].toSorted());
    const page = await read('docs/GRAFANA.md');
    const settings = [...text.matchAll(/: \$\{(\w+)\}$/gm)].map(([, name]) => name!);
    expect(settings.length).toBe(6);
    expect(settings.filter((name) => !page.includes(`\`${name}\``))).toEqual([]);
    const { providers } = parse(await read('deploy/compose/grafana/provisioning/dashboards/vigil.yaml')) as {
      providers: { options: { path: string } }[];
    };
    expect(providers.map(({ options }) => options.path)).toEqual(['/var/lib/grafana/dashboards']);
  });
});

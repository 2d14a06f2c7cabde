import { RowBuilder, type Panel, type RowPanel } from '@grafana/grafana-foundation-sdk/dashboard';
import type { Placed } from './panels.js';
import { say, type Language, type Words } from './words.js';

export interface Row {
  /** Without one, its panels stand alone, as the first line of a dashboard does. */
  title?: Words;
  /** Panels of a folded row ask nothing until it is opened. */
  folded?: true;
  panels: readonly Placed[];
}

const COLUMNS = 24;

/** Places panels from left to right and from above to below; a line is as high as its highest panel. */
export function layOut(language: Language, rows: readonly Row[]): { panels: (Panel | RowPanel)[]; types: string[] } {
  const all: (Panel | RowPanel)[] = [];
  const types = new Set<string>();
  let y = 0;
  let id = 1;
  for (const { title, folded, panels } of rows) {
    const placed: Panel[] = [];
    const heading = title && new RowBuilder(say(language, title)).id(id++).gridPos({ x: 0, y: y++, w: COLUMNS, h: 1 });
    let x = 0;
    let height = 0;
    for (const { w, h, panel } of panels) {
      if (x + w > COLUMNS) {
        y += height;
        x = height = 0;
      }
      panel.id(id++);
      panel.gridPos({ x, y, w, h });
      const built = panel.build();
      // The SDK's preset of a table's footer, which later versions of Grafana no longer know.
      if (built.type === 'table') delete (built.options as { footer?: unknown }).footer;
      types.add(built.type);
      placed.push(built);
      x += w;
      height = Math.max(height, h);
    }
    y += height;
    if (heading) all.push({ ...heading.collapsed(folded === true).build(), panels: folded ? placed : [] });
    if (!folded) all.push(...placed);
  }
  return { panels: all, types: [...types].toSorted() };
}

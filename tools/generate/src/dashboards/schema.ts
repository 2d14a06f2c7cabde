import type { DashboardFile } from './frame.js';

/** Grafana's own types of what each panel's options and fields may hold. */
const PANELS: Readonly<Record<string, string>> = {
  timeseries: 'TimeSeries',
  stat: 'Stat',
  table: 'Table',
  heatmap: 'Heatmap',
  'state-timeline': 'StateTimeline',
};

/**
 * A TypeScript module that compiles where the dashboards are what `@grafana/schema` says they are: the frame, and the
 * options and fields of each panel. JSON holds an enum's value where Grafana's types name the enum.
 */
export function schemaModule(files: Readonly<Record<string, DashboardFile>>): string {
  const types = Object.entries(PANELS).map(([type, name]) => {
    const path = `@grafana/schema/dist/esm/raw/composable/${type.replace('-', '')}/panelcfg/x/${name}PanelCfg_types.gen`;
    return `import type * as ${name} from '${path}';`;
  });
  const boards = Object.entries(files).map(([path, file], index) => {
    const { __inputs, __requires, ...rest } = file;
    const board = { ...rest, annotations: { list: rest.annotations!.list!.map(plainAnnotation) } };
    const panels = board.panels!.flatMap((panel) =>
      panel.type === 'row' ? ((panel as { panels?: object[] }).panels ?? []) : [panel],
    );
    return [
      `// ${path}`,
      `export const board${index}: Json<Dashboard> = ${JSON.stringify(board)};`,
      ...(
        panels as { id: number; type: string; options?: object; fieldConfig?: { defaults: { custom?: object } } }[]
      ).map(({ id, type, options, fieldConfig }) =>
        check(`panel${index}_${id}`, PANELS[type], options, fieldConfig?.defaults.custom),
      ),
    ].join('\n');
  });
  return `import type { Dashboard } from '@grafana/schema';
${types.join('\n')}

type Json<T> = T extends string
  ? \`\${T}\`
  : T extends readonly (infer U)[]
    ? Json<U>[]
    : T extends object
      ? { [K in keyof T]: Json<T[K]> }
      : T;

${boards.join('\n\n')}
`;
}

/** Without what Prometheus's annotations hold besides; `@grafana/schema` leaves that to each source. */
function plainAnnotation(annotation: object): object {
  const { expr: _, step: _s, titleFormat: _t, textFormat: _f, ...rest } = annotation as Record<string, unknown>;
  return rest;
}

function check(
  name: string,
  type: string | undefined,
  options: object | undefined,
  custom: object | undefined,
): string {
  if (type === undefined) throw new Error(`No type of Grafana's is known for ${name}: add it to PANELS.`);
  const fields =
    custom && `export const ${name}_fields: Partial<Json<${type}.FieldConfig>> = ${JSON.stringify(custom)};`;
  return `export const ${name}: Partial<Json<${type}.Options>> = ${JSON.stringify(options ?? {})};${fields ? `\n${fields}` : ''}`;
}

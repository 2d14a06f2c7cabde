import { SIGNALS, type Layer, type Signal } from '@vigil/signals';

const LAYERS: readonly [Layer, string][] = [
  ['infrastructure', 'Infrastructure'],
  ['service', 'Service'],
  ['conversation', 'Conversation'],
];

/** docs/SIGNALS.md: what Vigil measures, for people. */
export function signalsPage(): string {
  const parts = LAYERS.map(([layer, title]) => {
    const rows = SIGNALS.filter((s) => s.layer === layer).map(row);
    return `## ${title}\n\n| signal | unit | what it is | labels | metrics |\n| --- | --- | --- | --- | --- |\n${rows.join('\n')}\n`;
  });
  return `# Signals

This page is generated from \`libs/signals\` by \`npm run generate\`. Every signal can be asked for at
\`/api/v1/series?signal=ID\`, named in a rule, and read from Prometheus by the metrics in the last column. Units are UCUM:
\`1\` is a ratio from 0 to 1, \`s\` seconds, \`By\` bytes, \`Cel\` degrees Celsius, \`W\` watts, \`Hz\` hertz; names in braces
are things counted, and \`{state}\` is a number that stands for a state.

${parts.join('\n')}
## The same in PromQL

Over five minutes, without labels:

${SIGNALS.map((s) => `- \`${s.id}\`\n\n  \`\`\`promql\n  ${s.promql([], '5m')}\n  \`\`\`\n`).join('\n')}`;
}

function row(s: Signal): string {
  const code = (names: readonly string[]) => names.map((n) => `\`${n}\``).join(', ');
  const cells = [`\`${s.id}\``, `\`${s.unit}\``, s.description.replaceAll('|', '\\|'), code(s.labels), code(s.metrics)];
  return `| ${cells.join(' | ')} |`;
}

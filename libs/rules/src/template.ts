import { formatDuration, formatValue, type Unit } from '@vigil/signals';

/** How a value can be written in place of its signal's own way. */
export const FORMATS = ['percent', 'duration', 'number'] as const;
export type Format = (typeof FORMATS)[number];

export type TemplatePart = string | { label: string } | { value: Format | null };
export type Template = readonly TemplatePart[];

/**
 * Reads a text with `{{ $labels.NAME }}`, `{{ $value }}` and `{{ $value | percent }}` (or `duration`, `number`) in it.
 * @param labels the labels that the text may name
 * @throws TemplateError with a sentence that says what is wrong
 */
export function parseTemplate(text: string, labels: readonly string[]): Template {
  const parts: TemplatePart[] = [];
  let rest = text;
  for (;;) {
    const open = rest.indexOf('{{');
    const outside = open < 0 ? rest : rest.slice(0, open);
    if (outside.includes('}}')) throw new TemplateError('has a "}}" without a "{{" before it');
    if (outside !== '') parts.push(outside);
    if (open < 0) return parts;
    const close = rest.indexOf('}}', open);
    if (close < 0) throw new TemplateError('has a "{{" that is never closed with "}}"');
    parts.push(parseExpression(rest.slice(open + 2, close).trim(), labels));
    rest = rest.slice(close + 2);
  }
}

export class TemplateError extends Error {
  override readonly name = 'TemplateError';
}

function parseExpression(text: string, labels: readonly string[]): TemplatePart {
  const label = /^\$labels\.([A-Za-z_]\w*)$/.exec(text)?.[1];
  if (label !== undefined) {
    if (labels.includes(label)) return { label };
    const known = labels.length > 0 ? `it has ${labels.join(', ')}` : 'it has none';
    throw new TemplateError(`names the label ${label}, which this alert does not have (${known})`);
  }
  const value = /^\$value(?:\s*\|\s*(\S+))?$/.exec(text);
  if (!value)
    throw new TemplateError(`has "{{ ${text} }}"; write {{ $labels.NAME }}, {{ $value }} or {{ $value | percent }}`);
  const format = value[1];
  if (format === undefined) return { value: null };
  if (!FORMATS.includes(format as Format))
    throw new TemplateError(`formats with "${format}", which is none of ${FORMATS.join(', ')}`);
  return { value: format as Format };
}

/** Fills a template in. A value that is not known reads `an unknown value`. */
export function render(
  template: Template,
  labels: Readonly<Record<string, string>>,
  value: number | null,
  unit: Unit,
): string {
  return template
    .map((part) => {
      if (typeof part === 'string') return part;
      if ('label' in part) return labels[part.label] ?? '';
      return value === null ? 'an unknown value' : write(value, part.value, unit);
    })
    .join('');
}

function write(value: number, format: Format | null, unit: Unit): string {
  switch (format) {
    case 'percent':
      return formatValue(value, '1');
    case 'duration':
      return Math.abs(value) < 120 ? formatValue(value, 's') : formatDuration(value);
    case 'number':
      return String(Number(value.toPrecision(4)));
    case null:
      return formatValue(value, unit);
  }
}

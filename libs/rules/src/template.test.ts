import { describe, expect, it } from 'vitest';
import { parseTemplate, render } from './template.js';

const fill = (text: string, value: number | null, unit: Parameters<typeof render>[3] = '1') =>
  render(parseTemplate(text, ['gpu', 'node']), { gpu: '0', node: 'a' }, value, unit);

describe('a summary', () => {
  it.each([
    ['GPU {{ $labels.gpu }} on {{$labels.node}}', 1, '1', 'GPU 0 on a'],
    ['{{ $value }} of it', 0.9321, '1', '93.2 % of it'],
    ['{{ $value }}', 0.74, 's', '740 ms'],
    ['{{ $value | duration }}', 0.74, '1', '740 ms'],
    ['{{ $value|duration }}', 600, 's', '10 min'],
    ['{{ $value | percent }}', 0.051, 's', '5.1 %'],
    ['{{ $value | number }}', 3.14159, 's', '3.142'],
    ['{{ $value }}', null, 's', 'an unknown value'],
    ['no template at all', 1, '1', 'no template at all'],
  ] as const)('%s', (text, value, unit, filled) => {
    expect(fill(text, value, unit)).toBe(filled);
  });

  it('does not read labels as templates', () => {
    const template = parseTemplate('{{ $labels.node }}', ['node']);
    expect(render(template, { node: '{{ $value }}' }, 1, '1')).toBe('{{ $value }}');
  });

  it.each([
    ['{{ $labels.model }}', 'names the label model, which this alert does not have (it has gpu, node)'],
    ['{{ $value | bytes }}', 'formats with "bytes", which is none of percent, duration, number'],
    ['{{ $value', 'has a "{{" that is never closed with "}}"'],
    ['$value }}', 'has a "}}" without a "{{" before it'],
    ['{{ value }}', 'has "{{ value }}"; write {{ $labels.NAME }}, {{ $value }} or {{ $value | percent }}'],
    ['{{ constructor.constructor("x")() }}', 'has "{{ constructor'],
    ['{{ $labels.__proto__ }}', 'names the label __proto__'],
  ])('%s is refused', (text, mistake) => {
    expect(() => parseTemplate(text, ['gpu', 'node'])).toThrow(mistake);
  });
});

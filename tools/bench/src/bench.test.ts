import { describe, expect, it } from 'vitest';
import { median, quantile } from './statistics.js';
import { printable, replaceSection, section } from './report.js';
import { orderOf } from './runtime.js';

const result = {
  tables: [{ caption: 'Cost', columns: ['source', 'ms'], rows: [['a|b', '1.5']] }],
  notes: ['One GPU.'],
};
const machine = { cpu: '2 × X', memory: '24 GiB', gpus: ['1 × H200'], system: 'linux 6', node: 'v24' };

describe('the page', () => {
  it('names machine, date and command, and keeps a table a table', () => {
    expect(section('gpu', 'What a reading costs.', result, machine, new Date('2026-03-01T10:00:59Z'))).toBe(`## gpu

What a reading costs.

- date: 2026-03-01 10:00 UTC
- machine: 2 × X; 24 GiB; 1 × H200; linux 6
- Node.js: v24
- command: \`npm run bench -- gpu\`

**Cost**

| source | ms |
| --- | --- |
| a\\|b | 1.5 |

- One GPU.
`);
  });

  it('takes a new section in the place of the old one, and leaves the others as they are', () => {
    const first = replaceSection('', 'gpu', '## gpu\n\nold\n');
    expect(first).toMatch(/^# Benchmarks\n/);
    const two = replaceSection(first, 'gpu-8', '## gpu-8\n\nother\n');
    const again = replaceSection(two, 'gpu', '## gpu\n\nnew\n');
    expect(again).toContain('## gpu\n\nnew\n\n## gpu-8\n\nother\n');
    expect(again).not.toContain('old');
    expect(replaceSection(again, 'gpu', '## gpu\n\nnew\n')).toBe(again);
  });

  it('is as readable in a terminal', () => {
    expect(printable(result)).toBe('Cost\nsource   ms\na|b     1.5\n\nOne GPU.');
  });
});

describe('the order of servers', () => {
  it.each([2, 4, 6])('has each of %d directly after each other once', (count) => {
    const orders = Array.from({ length: count }, (_, turn) => orderOf(count, turn));
    for (const order of orders) expect(new Set(order).size).toBe(count);
    const pairs = orders.flatMap((order) => order.slice(1).map((who, i) => `${order[i]} ${who}`));
    expect(new Set(pairs).size).toBe(count * (count - 1));
  });
});

describe('quantiles', () => {
  it('lie between neighbours', () => {
    expect(median([3, 1, 2])).toBe(2);
    expect(median([1, 2, 3, 4])).toBe(2.5);
    expect(quantile([10, 20, 30, 40, 50], 0.99)).toBeCloseTo(49.6);
    expect(quantile([7], 0.99)).toBe(7);
    expect(() => median([])).toThrow('no quantile');
  });
});

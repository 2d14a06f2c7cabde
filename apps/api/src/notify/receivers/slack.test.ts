import { describe, expect, it } from 'vitest';
import type { Message } from '../message.js';
import { firstSteps } from '../runbook.js';
import { batch, message } from '../testing.js';
import { escape, toSlack as render } from './slack.js';

const toSlack = (...messages: Message[]) => render(batch(messages));

/** Every text of a message, as it would be read from top to bottom. */
function texts(value: unknown): string[] {
  if (Array.isArray(value)) return value.flatMap(texts);
  if (typeof value !== 'object' || value === null) return [];
  const { text, ...rest } = value as { text?: unknown };
  return [...(typeof text === 'string' ? [text] : texts(text)), ...Object.values(rest).flatMap(texts)];
}

describe('a message in Slack', () => {
  it('of a firing alert says what, where, since when, how much and what to do', () => {
    expect(texts(toSlack(message()))).toEqual([
      '🔴 Firing: GpuMemoryHigh: GPU 0 on gpu-1 uses 95.2 % of its memory',
      '🔴 Firing: GpuMemoryHigh',
      '*GPU 0 on gpu-1 uses 95.2 % of its memory*',
      '*Value*\n*95.2 %* (alert above 90 % for 10 min)',
      '*Where*\nnode: gpu-1\ngpu: 0',
      '*Since*\n2026-03-01 10:02:00 UTC, 10 min ago',
      '*Severity*\ncritical',
      '*What to do*\n1. See who holds the memory.\n2. Take load off.',
      '<https://vigil/a?x=1&amp;y=2|Alert> · <https://vigil/r|Runbook> · gpu.memory.ratio · alerts/gpu-memory-high.yaml',
    ]);
  });

  it('of a resolved one says how long it lasted, and gives no orders', () => {
    const all = texts(toSlack(message({ status: 'resolved', value: 0.4 })));
    expect(all[1]).toBe('🟢 Resolved: GpuMemoryHigh');
    expect(all).toContain('*Last value*\n*40 %* (alert above 90 % for 10 min)');
    expect(all).toContain('*Since*\n2026-03-01 10:02:00 UTC until 2026-03-01 10:12:00 UTC: 10 min');
    expect(all.join()).not.toContain('What to do');
  });

  it('of missing data says that nobody knows', () => {
    const all = texts(toSlack(message({ status: 'no_data' }))).join('\n');
    expect(all).toContain('⚪ No data: GpuMemoryHigh');
    expect(all).toContain('Nobody knows how it stands now');
    expect(all).not.toMatch(/resolved/i);
  });

  it('of a replay says so first', () => {
    const all = texts(toSlack(message({ labels: { replay: 'true' } }, { replay: true })));
    expect(all[1]).toBe('🔴 Firing: GpuMemoryHigh (replay)');
    expect(all[2]).toContain('a recording is being played');
  });

  it.each([
    ['critical', '#d00000'],
    ['warning', '#e8a317'],
    ['info', '#3b82f6'],
  ] as const)('carries the colour of %s', (severity, colour) => {
    expect(JSON.stringify(toSlack(message({}, { severity })))).toContain(`"color":"${colour}"`);
  });

  it('names the path of a runbook that it can not link, and no place where there is none', () => {
    const all = texts(toSlack(message({ labels: {}, links: { alert: 'https://vigil/a', runbook: null } }))).join('\n');
    expect(all).toContain('docs/runbooks/gpu-memory-high.md');
    expect(all).toContain('*Where*\neverywhere');
  });

  it('stays within what Slack takes, whatever the labels hold', () => {
    const long = '😀<&'.repeat(5000);
    const labels = Object.fromEntries(Array.from({ length: 40 }, (_, i) => [`label${i}`, long]));
    const slack = toSlack(message({ labels, steps: [long], rule: 'x'.repeat(100) }, { summary: long, replay: true }));
    for (const text of texts(slack)) {
      expect(text.length).toBeLessThanOrEqual(3000);
      expect(text.isWellFormed()).toBe(true);
      expect(text).not.toMatch(/&[a-z]*…$/);
    }
    expect(texts(slack)[1]!.length).toBeLessThanOrEqual(150);
    expect(JSON.stringify(slack).length).toBeLessThan(20_000);
  });

  it('escapes what Slack would read', () => {
    expect(escape('<!here> & <@U1>\n\t\u0000x')).toBe('&lt;!here&gt; &amp; &lt;@U1&gt; x');
  });
});

describe('the first steps of a runbook', () => {
  it('are the first three of its list', () => {
    expect(
      firstSteps('# X\n\n1. no\n\n## What to do\n\nText\n\n1. one\n2. two\n3. three\n4. four\n\n## After\n\n1. no\n'),
    ).toEqual(['one', 'two', 'three']);
    expect(firstSteps('## What to do\n1. last of the file')).toEqual(['last of the file']);
    expect(firstSteps('# Nothing of it')).toEqual([]);
  });
});

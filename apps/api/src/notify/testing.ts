import type { Batch } from './batch.js';
import type { Message } from './message.js';

/** Helpers for the tests of notifications. */

export const AT = new Date('2026-03-01T10:12:00Z');

export const message = (change: Partial<Message> = {}, context: Partial<Message['context']> = {}): Message => ({
  status: 'firing',
  rule: 'GpuMemoryHigh',
  labels: { node: 'gpu-1', gpu: '0', replay: 'false' },
  value: 0.952,
  at: AT,
  steps: ['See who holds the memory.', 'Take load off.'],
  links: { alert: 'https://vigil/a?x=1&y=2', runbook: 'https://vigil/r' },
  context: {
    severity: 'critical',
    signal: 'gpu.memory.ratio',
    title: 'GPU memory in use',
    unit: '1',
    condition: { kind: 'above', threshold: 0.9 },
    over: null,
    for: 600,
    summary: 'GPU 0 on gpu-1 uses 95.2 % of its memory',
    action: 'docs/runbooks/gpu-memory-high.md',
    file: 'alerts/gpu-memory-high.yaml',
    activeSince: '2026-03-01T10:02:00Z',
    firedAt: '2026-03-01T10:12:00Z',
    replay: false,
    ...context,
  },
  ...change,
});

export const batch = (messages: readonly Message[], change: Partial<Batch> = {}): Batch => ({
  kind: 'change',
  episode: '7d3e6f0a-0000-4000-8000-000000000001',
  group: { rule: 'GpuMemoryHigh' },
  receiver: 'r',
  entries: messages.map((one) => ({ message: one, isNew: true })),
  ...change,
});

/** Values that would do harm wherever they were read as more than text. */
export const HOSTILE: Readonly<Record<string, string>> = {
  quotes: `"; DROP TABLE alert; -- ' \\" \\`,
  newline: 'first\nBcc: victim@example.org\r\n\r\n# heading\u2028last',
  html: '<script>alert(1)</script><img src=x onerror=alert(1)>',
  link: '[click](https://evil.example) ![i](https://evil.example/i.png)',
  slack: '<!channel> <https://evil.example|click> <@U1> &amp;',
  mention: '@all <@all> <at user_id="all"></at>',
  code: '```\n`rm -rf /`\n``` **bold** ~~gone~~ | a | b |',
  template: '{{ $labels.node }} ${node} %s',
};

export const hostile = (change: Partial<Message> = {}): Message =>
  message(
    { labels: { ...HOSTILE }, why: Object.values(HOSTILE), ...change },
    { summary: Object.values(HOSTILE).join(' ') },
  );

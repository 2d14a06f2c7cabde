import { describe, expect, it } from 'vitest';
import { Expectation } from './expectation.js';
import { readable } from './receiver.js';

describe('the score of the demo', () => {
  it('needs each rule to fire and then to resolve', () => {
    const score = new Expectation(['A', 'B']);
    score.note('Resolved: A', 1);
    score.note('Firing: A', 2);
    expect([score.allFiring, score.allResolved]).toEqual([false, false]);
    score.note('Firing: B', 3);
    score.note('Resolved: B', 4);
    expect([score.allFiring, score.allResolved]).toEqual([true, false]);
    score.note('Resolved: A', 5);
    expect(score.allResolved).toBe(true);
    expect(score.seen.get('A')).toEqual({ firing: 2, resolved: 5 });
  });
});

describe('a message', () => {
  it('is read from blocks and attachments, as Slack shows it', () => {
    const section = { type: 'section', text: { type: 'mrkdwn', text: '*What*\n<https://x/y|runbook> &lt;b&gt;' } };
    const message = {
      text: 'fallback',
      attachments: [{ blocks: [section, { type: 'context', elements: [{ text: 'when' }] }] }],
    };
    expect(readable(message)).toEqual(['What', 'runbook (https://x/y) <b>', 'when']);
    expect(readable({ text: 'only *this*' })).toEqual(['only this']);
  });
});

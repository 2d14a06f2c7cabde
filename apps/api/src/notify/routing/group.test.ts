import { describe, expect, it } from 'vitest';
import type { Message } from '../message.js';
import { message } from '../testing.js';
import { arrive, decideGroup, type Group } from './group.js';
import type { QuietHours } from './quiet.js';
import { PLAIN, refreshing, type Policy } from './route.js';
import type { Silence } from './silence.js';

/** Seconds after midnight of a Wednesday, UTC. */
const at = (seconds: number): Date => new Date(Date.UTC(2026, 2, 4) + seconds * 1000);
const HOUR = 3600;
const NIGHT: QuietHours = { name: 'nights', from: 0, to: 7 * 60, zone: 'UTC', days: [0, 1, 2, 3, 4, 5, 6] };

const silence = (from: number, to: number, node = '*'): Silence => ({
  id: '1',
  match: { node: [node] },
  unless: {},
  startsAt: at(from),
  endsAt: at(to),
  reason: 'new driver',
  createdBy: null,
});

/** What happens, and when, in seconds. */
type Step =
  | { at: number; node: string; is: Message['status']; severity?: 'warning' | 'critical' }
  | { at: number; look: true }
  | { at: number; silences: Silence[] };

/** Plays a timeline: every line is `seconds: what was told`, with held and skipped alerts. */
function play(policy: Policy, steps: readonly Step[], silences: Silence[] = []): string[] {
  let group: Group | undefined;
  let nextAt: Date | null = null;
  let transition = 0;
  const told: string[] = [];
  const look = (now: Date): void => {
    if (!group) return;
    const outcome = decideGroup(group, now, policy, silences);
    ({ group, nextAt } = outcome);
    const second = (now.getTime() - at(0).getTime()) / 1000;
    for (const { item, reason } of outcome.held) told.push(`${second}: held ${item.message.labels.node}: ${reason}`);
    for (const {
      message: { labels },
    } of outcome.skipped)
      told.push(`${second}: skipped ${labels.node}`);
    if (!outcome.tell) return;
    const words = outcome.tell.entries.map(
      ({ message: { status, labels }, isNew }) => `${labels.node} ${status}${isNew ? '' : ' (known)'}`,
    );
    told.push(
      `${second}: ${outcome.tell.kind === 'repeat' ? 'again ' : ''}${words.join(', ')} [${outcome.tell.transitions.join(' ')}]`,
    );
  };
  /** Looks at the group whenever it asks to be looked at. */
  const runTo = (end: Date): void => {
    const isDue = () => group !== undefined && nextAt !== null && nextAt <= end;
    for (let looks = 0; isDue() && looks < 50; looks++) look(nextAt!);
  };
  for (const step of steps) {
    const now = at(step.at);
    runTo(new Date(now.getTime() - 1));
    if ('silences' in step) {
      silences = step.silences;
      // The API does the same: what is held is looked at again.
      if (group?.flushAt) group = { ...group, flushAt: now };
    } else if ('node' in step) {
      const { node, is: status, severity = 'warning' } = step;
      group ??= { labels: {}, episode: 'e', toldAt: null, flushAt: null, items: [] };
      const event = { rule: 'R', fingerprint: node, transitionId: String(++transition) };
      group = arrive(group, { ...event, message: message({ status, labels: { node } }, { severity }) }, now, policy);
    }
    look(now);
  }
  if (!group) told.push('over');
  return told;
}

const GROUPED: Policy = { ...PLAIN, group: [], wait: 30 };

describe('a group is told', () => {
  it.each<[string, Policy, Step[], string[], Silence[]?]>([
    [
      'at once where it need not wait, and ends with its last alert',
      PLAIN,
      [
        { at: 0, node: 'a', is: 'firing' },
        { at: 9, node: 'a', is: 'resolved' },
      ],
      ['0: a firing [1]', '9: a resolved [2]', 'over'],
    ],
    [
      'together of what comes while it waits',
      GROUPED,
      [
        { at: 0, node: 'a', is: 'firing' },
        { at: 20, node: 'b', is: 'firing' },
        { at: 40, look: true },
      ],
      ['30: a firing, b firing [1 2]'],
    ],
    [
      'of what is new with what is known',
      GROUPED,
      [
        { at: 0, node: 'a', is: 'firing' },
        { at: 60, node: 'b', is: 'firing' },
        { at: 100, look: true },
      ],
      ['30: a firing [1]', '90: b firing, a firing (known) [2]'],
    ],
    [
      'not of what was over before it was to be told',
      GROUPED,
      [
        { at: 0, node: 'a', is: 'firing' },
        { at: 10, node: 'a', is: 'resolved' },
        { at: 40, look: true },
      ],
      ['30: skipped a', 'over'],
    ],
    [
      'of the end together with a new beginning elsewhere',
      GROUPED,
      [
        { at: 0, node: 'a', is: 'firing' },
        { at: 60, node: 'a', is: 'resolved' },
        { at: 70, node: 'b', is: 'firing' },
        { at: 100, look: true },
      ],
      ['30: a firing [1]', '90: b firing, a resolved [2 3]'],
    ],
    [
      'of both changes of an alert as one, where they come while it waits',
      GROUPED,
      [
        { at: 0, node: 'a', is: 'firing' },
        { at: 10, node: 'a', is: 'no_data' },
        { at: 40, look: true },
      ],
      ['30: a no_data [1 2]'],
    ],
    [
      'again while it lasts, and no longer',
      { ...PLAIN, repeat: HOUR },
      [
        { at: 0, node: 'a', is: 'firing' },
        { at: 2 * HOUR + 1, node: 'a', is: 'resolved' },
        { at: 9 * HOUR, look: true },
      ],
      [
        '0: a firing [1]',
        `${HOUR}: again a firing (known) []`,
        `${2 * HOUR}: again a firing (known) []`,
        `${2 * HOUR + 1}: a resolved [2]`,
        'over',
      ],
    ],
    [
      'later, counted from the last time that anything was told',
      { ...PLAIN, group: [], repeat: HOUR },
      [
        { at: 0, node: 'a', is: 'firing' },
        { at: 3000, node: 'b', is: 'firing' },
        { at: 5000, look: true },
        { at: 6600, look: true },
      ],
      ['0: a firing [1]', '3000: b firing, a firing (known) [2]', '6600: again a firing (known), b firing (known) []'],
    ],
    [
      'when its silence ends, if it still fires',
      PLAIN,
      [
        { at: 10, node: 'a', is: 'firing' },
        { at: 200, look: true },
      ],
      ['10: held a: Silenced until 2026-03-04T00:01:40.000Z: new driver', '100: a firing [1]'],
      [silence(0, 100)],
    ],
    [
      'never of what began and ended in silence',
      PLAIN,
      [
        { at: 10, node: 'a', is: 'firing' },
        { at: 20, node: 'a', is: 'resolved' },
        { at: 200, look: true },
      ],
      ['10: held a: Silenced until 2026-03-04T00:01:40.000Z: new driver', '20: skipped a', 'over'],
      [silence(0, 100)],
    ],
    [
      'of the end that fell into a silence, after it, as the beginning was told',
      PLAIN,
      [
        { at: 0, node: 'a', is: 'firing' },
        { at: 5, silences: [silence(5, 100)] },
        { at: 20, node: 'a', is: 'resolved' },
        { at: 200, look: true },
      ],
      [
        '0: a firing [1]',
        '20: held a: Silenced until 2026-03-04T00:01:40.000Z: new driver',
        '100: a resolved [2]',
        'over',
      ],
    ],
    [
      'at once when its silence is lifted',
      PLAIN,
      [
        { at: 10, node: 'a', is: 'firing' },
        { at: 50, silences: [] },
      ],
      ['10: held a: Silenced until 2026-03-04T00:01:40.000Z: new driver', '50: a firing [1]'],
      [silence(0, 100)],
    ],
    [
      'without the alerts that are silenced',
      GROUPED,
      [
        { at: 0, node: 'a', is: 'firing' },
        { at: 1, node: 'b', is: 'firing' },
        { at: 200, look: true },
      ],
      [
        '30: held a: Silenced until 2026-03-04T00:01:40.000Z: new driver',
        '30: b firing [2]',
        '100: a firing, b firing (known) [1]',
      ],
      [silence(0, 100, 'a')],
    ],
    [
      'not before a silence that begins later',
      PLAIN,
      [{ at: 10, node: 'a', is: 'firing' }],
      ['10: a firing [1]'],
      [silence(50, 100)],
    ],
    [
      'in the morning of what is no emergency',
      { ...PLAIN, quiet: NIGHT },
      [
        { at: 3 * HOUR, node: 'a', is: 'firing' },
        { at: 4 * HOUR, node: 'b', is: 'firing', severity: 'critical' },
        { at: 8 * HOUR, look: true },
      ],
      [
        `${3 * HOUR}: held a: Quiet hours "nights" until 2026-03-04 07:00 UTC.`,
        // It is looked at whenever something happens in its group.
        `${4 * HOUR}: held a: Quiet hours "nights" until 2026-03-04 07:00 UTC.`,
        `${4 * HOUR}: b firing [2]`,
        `${7 * HOUR}: a firing, b firing (known) [1]`,
      ],
    ],
    [
      'again only once the night is over',
      { ...PLAIN, repeat: HOUR, quiet: { ...NIGHT, from: 60 } },
      [
        { at: 0, node: 'a', is: 'firing' },
        { at: 7 * HOUR + 1, look: true },
      ],
      ['0: a firing [1]', `${7 * HOUR}: again a firing (known) []`],
    ],
    [
      'in spite of silence and night where it would be forgotten otherwise',
      refreshing(60),
      [
        { at: 0, node: 'a', is: 'firing' },
        { at: 5, silences: [silence(5, 1000)] },
        { at: 70, node: 'b', is: 'firing' },
        { at: 100, node: 'a', is: 'resolved' },
      ],
      [
        '0: a firing [1]',
        '60: again a firing (known) []',
        '70: held b: Silenced until 2026-03-04T00:16:40.000Z: new driver',
        '100: held b: Silenced until 2026-03-04T00:16:40.000Z: new driver',
        '100: a resolved [3]',
      ],
    ],
    [
      'in time before it would be forgotten, however much happens',
      refreshing(60),
      [
        { at: 0, node: 'a', is: 'firing' },
        { at: 40, node: 'b', is: 'firing' },
        { at: 80, node: 'c', is: 'firing' },
        { at: 110, look: true },
      ],
      [
        '0: a firing [1]',
        '40: b firing, a firing (known) [2]',
        '60: again a firing (known), b firing (known) []',
        '80: c firing, a firing (known), b firing (known) [3]',
      ],
    ],
  ])('%s', (_, policy, steps, expected, silences) => {
    expect(play(policy, steps, silences)).toEqual(expected);
  });
});

import { describe, expect, it } from 'vitest';
import { message } from '../testing.js';
import { groupOf, PLAIN, routeOf, type Route } from './route.js';

const route = (to: string | string[], change: Partial<Route> = {}): Route => ({
  match: {},
  unless: {},
  to: [to].flat(),
  continue: false,
  policy: PLAIN,
  ...change,
});

describe('an alert goes', () => {
  const critical = message();
  const warning = message({}, { severity: 'warning' });
  const routes = [
    route('log', { continue: true }),
    route('pager', { match: { severity: ['critical'] }, continue: true }),
    route('gpu-team', { match: { rule: ['Gpu*'] }, unless: { severity: ['warning'] } }),
    route(['mail', 'chat']),
  ];
  it.each([
    ['along all that it fits, while they go on', routes, critical, ['log', 'pager', 'gpu-team']],
    ['to the first that does not go on', routes, warning, ['log', 'mail', 'chat']],
    ['nowhere without routes', [], critical, []],
    ['once to a receiver of several routes', [route('a', { continue: true }), route(['a', 'b'])], critical, ['a', 'b']],
  ])('%s', (_, given, alert, expected) => {
    expect([...routeOf(given, alert).keys()]).toEqual(expected);
  });

  it('as the first route to a receiver says', () => {
    const first = route('a', { continue: true, policy: { ...PLAIN, wait: 30 } });
    expect(routeOf([first, route('a')], critical).get('a')?.wait).toBe(30);
  });
});

describe('a group', () => {
  const group = (labels: string[] | null, change = {}) => groupOf({ ...PLAIN, group: labels }, message(change), 'f');
  it('is the alert alone, unless labels are named', () => {
    expect(group(null).key).not.toBe(groupOf(PLAIN, message(), 'g').key);
    expect(group(null).labels).toEqual({ rule: 'GpuMemoryHigh', node: 'gpu-1', gpu: '0', replay: 'false' });
  });
  it('is what the labels have in common', () => {
    expect(group(['rule', 'node'])).toEqual(group(['rule', 'node'], { labels: { node: 'gpu-1', gpu: '7' } }));
    expect(group(['rule', 'node']).key).not.toBe(group(['rule', 'node'], { labels: { node: 'gpu-2' } }).key);
    expect(group(['team']).labels).toEqual({ team: '' });
    expect(group([]).key).toBe(group([], { rule: 'Other' }).key);
  });
});

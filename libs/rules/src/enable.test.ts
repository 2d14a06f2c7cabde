import { describe, expect, it } from 'vitest';
import { enableRules } from './enable.js';
import { testRule } from './testing.js';
import { findSignal } from '@vigil/signals';

const off = { ...testRule(), name: 'GpuLost', enabled: false };
const slow = { ...testRule(), name: 'Slow', enabled: false, signal: findSignal('request.rate')! };
const rules = [testRule(), off, slow];
const on = (wanted: string[]) =>
  enableRules(rules, wanted)
    .filter((rule) => rule.enabled)
    .map((rule) => rule.name);

describe('rules that are off', () => {
  it.each([
    [[], ['Test']],
    [['GpuLost'], ['Test', 'GpuLost']],
    [['infrastructure'], ['Test', 'GpuLost']],
    [
      ['service', 'GpuLost'],
      ['Test', 'GpuLost', 'Slow'],
    ],
    [['all'], ['Test', 'GpuLost', 'Slow']],
    [['Test'], ['Test']],
  ])('%j switches on %j', (wanted, names) => {
    expect(on(wanted)).toEqual(names);
  });

  it('are named rightly or not at all', () => {
    expect(() => on(['GpuLots', 'weather'])).toThrow(
      'RULES_ENABLE names "GpuLots", which is no rule; did you mean GpuLost?\nRULES_ENABLE names "weather", which is no rule; write all, a layer (infrastructure, service, conversation) or names of rules.',
    );
  });

  it('stay as their files say, whoever asks', () => {
    enableRules(rules, ['all']);
    expect(off.enabled).toBe(false);
  });
});

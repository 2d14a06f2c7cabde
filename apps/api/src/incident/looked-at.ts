import { SIGNALS, type Signal } from '@vigil/signals';
import type { Smallest } from './shift.js';
import type { Family } from './types.js';

/** A signal that an incident looks at. */
export interface LookedAt {
  signal: Signal;
  family: Family;
  smallest: Smallest;
}

const by = (absolute: number, relative = 0): Smallest => ({ absolute, relative });

/** What can be the cause, or suffer from it; nothing that only says the same in other words. */
const LIST: Readonly<Record<string, [Family, Smallest]>> = {
  'gpu.memory.ratio': ['memory', by(0.05)],
  'gpu.utilization': ['work', by(0.2)],
  'gpu.power': ['work', by(20, 0.3)],
  'gpu.temperature': ['heat', by(6)],
  'gpu.throttle.hw_thermal': ['clock', by(0.2)],
  'gpu.throttle.hw_power_brake': ['clock', by(0.2)],
  'gpu.throttle.sw_thermal': ['clock', by(0.2)],
  'gpu.throttle.sw_power_cap': ['clock', by(0.2)],
  'gpu.clock.sm': ['clock', by(5e7, 0.15)],
  'node.cpu.ratio': ['node', by(0.25)],
  'node.memory.ratio': ['node', by(0.1)],
  'node.network.errors': ['node', by(1, 1)],
  'request.rate': ['load', by(0.2, 0.5)],
  'token.input.rate': ['load', by(5, 0.7)],
  'request.queue.mean': ['queue', by(0.05, 0.5)],
  'response.latency.mean': ['speed', by(0.05, 0.5)],
  'request.first_token.mean': ['speed', by(0.05, 0.5)],
  'request.per_output_token.mean': ['speed', by(0.005, 0.4)],
  'token.output.rate': ['throughput', by(2, 0.4)],
  'request.error.ratio': ['errors', by(0.02)],
  'request.cancellation.ratio': ['errors', by(0.1)],
  'answer.unclosed_reasoning.ratio': ['quality', by(0.05)],
  'answer.empty.ratio': ['quality', by(0.05)],
  'answer.truncated.ratio': ['quality', by(0.1)],
  'answer.repetition.mean': ['quality', by(0.1)],
  'answer.reasoning_share.mean': ['quality', by(0.15)],
};

/** What engines tell of themselves, by what their signals' ids say. */
function ofEngine({ id, unit }: Signal): [Family, Smallest] | undefined {
  if (!id.startsWith('engine.')) return undefined;
  if (/cache/.test(id)) return ['cache', by(0.15)];
  if (/waiting|queue/.test(id)) return ['queue', unit === 's' ? by(0.05, 0.5) : by(2, 0.5)];
  return ['load', by(2, 0.5)];
}

/** The signals of the catalogue that an incident looks at, and the one that the alert is about, whatever it is. */
export function lookedAt(own: string): LookedAt[] {
  return SIGNALS.flatMap((signal) => {
    const known = LIST[signal.id] ?? ofEngine(signal) ?? (signal.id === own ? guess(signal) : undefined);
    return known ? [{ signal, family: known[0], smallest: known[1] }] : [];
  });
}

/** For a signal that is not in the list: a change of a tenth of a share, or of a third of anything else. */
function guess({ unit, layer, compute }: Signal): [Family, Smallest] {
  const family = layer === 'conversation' ? 'quality' : compute.fact === 'gpu' ? 'work' : 'node';
  return [compute.fact === 'request' && layer === 'service' ? 'speed' : family, unit === '1' ? by(0.1) : by(0, 0.33)];
}

import { parseString } from 'xml2js';
import { describe, expect, it } from 'vitest';
import { readSmiObject, readSmiXml, type SmiResult } from './nvidia-smi-xml.js';
import { asV10, asV11, asV12, withMig } from './testing-smi.js';
import { recording, withGpus } from './testing.js';
import { FAILURE_KINDS, RECOVERY_ACTIONS, type GpuSample } from './types.js';

const SEED = 20_260_101;
const context = { time: new Date(0), source: 'nvidia-smi', replay: false };

/** Mulberry32: the same numbers on every run. */
function generator(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

const ODD_TEXTS = ['N/A', 'Yes', 'No', '1', '-1', 'Active', '[N/A]', 'NaN', 'NaN %', 'Infinity W', '-5 MiB', '999999999999999999999 MiB', '17592186044415 MiB', '1e9 C', '0x10 %', '101 %', '1.2.3 W', '', '-0 %', '½ W', '__proto__'] as const; // prettier-ignore
const ODD_VALUES: readonly unknown[] = [...ODD_TEXTS, null, [], {}, [[]], { _: '5 W' }, { $: {} }, 0, NaN, true];
const ODD_PIECES = [...ODD_TEXTS, '<', '>', '&', '</gpu>', '<gpu>', '<a b="c">', '<!--', ']]>', '\0', '<?x?>', '</nvidia_smi_log>'] as const; // prettier-ignore

/** Everything that a sample promises; the answer is a list of what is broken. */
function broken(result: SmiResult): string[] {
  if (!result.ok) {
    const typed = FAILURE_KINDS.includes(result.kind) && result.reason.length > 0 && result.reason.length < 1000;
    return typed ? [] : ['an error without a kind or a reason'];
  }
  return result.samples.length === 0 ? ['no sample'] : result.samples.flatMap(brokenSample);
}

function brokenSample(s: GpuSample): string[] {
  const faults: string[] = [];
  const within = (name: keyof GpuSample, min: number, max: number): void => {
    const value = s[name];
    if (value === null) return;
    if (typeof value !== 'number' || !(value >= min && value <= max)) faults.push(`${name} is ${String(value)}`);
  };
  for (const name of ['memoryRatio', 'utilization', 'memoryUtilization', 'fanSpeed'] as const) within(name, 0, 1);
  const counts = ['eccCorrected', 'eccUncorrected', 'remappedCorrected', 'remappedUncorrected', 'pcieReplays'] as const;
  for (const name of ['memoryUsed', 'memoryReserved', 'memoryTotal', 'pcieTx', 'pcieRx', ...counts] as const)
    within(name, 0, Number.MAX_SAFE_INTEGER);
  for (const name of counts) if (s[name] !== null && !Number.isInteger(s[name])) faults.push(`${name} is not whole`);
  for (const name of ['temperature', 'memoryTemperature'] as const) within(name, -100, 300);
  within('temperatureMargin', -300, 300);
  for (const name of ['power', 'powerLimit'] as const) within(name, 0, 100_000);
  for (const name of ['smClock', 'memoryClock', 'graphicsClock', 'videoClock'] as const) within(name, 0, 1e12);
  for (const name of ['remapPending', 'remapFailed'] as const)
    if (s[name] !== null && typeof s[name] !== 'boolean') faults.push(`${name} is odd`);
  if (s.recoveryAction !== null && !RECOVERY_ACTIONS.includes(s.recoveryAction)) faults.push('recoveryAction is odd');
  if (!/^\d+(\/\d+)?$/.test(s.gpu)) faults.push(`gpu is ${s.gpu}`);
  for (const name of ['uuid', 'name', 'driver'] as const)
    if (s[name] !== null && (typeof s[name] !== 'string' || s[name].length > 200)) faults.push(`${name} is odd`);
  for (const p of s.processes)
    if (!Number.isSafeInteger(p.pid) || (p.memory !== null && !(p.memory >= 0))) faults.push(`process ${p.pid}`);
  if (!(s.throttleReasons ?? []).every((r) => /^[a-z_]+$/.test(r) && r !== 'gpu_idle')) faults.push('throttle reasons');
  return faults;
}

/** The recording without its long list of clocks, which nobody reads. */
const compact = async (): Promise<string> =>
  (await recording('h200-load')).replace(/<supported_clocks>[\s\S]*<\/supported_clocks>/, '');

describe('any mutation of a good document gives samples or a typed error', () => {
  it('in its text', async () => {
    const random = generator(SEED);
    const below = (n: number): number => Math.floor(random() * n);
    const pick = <T>(from: readonly T[]): T => from[below(from.length)]!;
    const good = await compact();
    const originals = [
      good,
      withGpus(good, 2),
      withMig(good, { 3: 8192, 4: 0 }),
      asV12(good),
      asV11(good),
      asV10(good),
    ];
    const mutate = (xml: string): string => {
      const at = below(xml.length);
      const length = 1 + below(random() < 0.5 ? 4 : 400);
      switch (below(12)) {
        case 0:
          return xml.slice(0, at) + xml.slice(at + length);
        case 1:
          return xml.slice(0, at + length) + xml.slice(at);
        case 2:
          return xml.slice(0, at) + pick(ODD_PIECES) + xml.slice(at);
        case 3:
          return xml.slice(0, at) + String.fromCharCode(below(256)) + xml.slice(at + 1);
        case 4:
          return xml.slice(0, at);
        default: {
          // A value in place of another, the most often: the document stays whole and reaches our reader.
          const values = [...xml.matchAll(/>([^<>\n]+)</g)];
          if (values.length === 0) return xml;
          const value = pick(values);
          return `${xml.slice(0, value.index + 1)}${pick(ODD_TEXTS)}${xml.slice(value.index + 1 + value[1]!.length)}`;
        }
      }
    };
    const outcomes = { good: 0, error: 0 };
    for (let round = 0; round < 3000; round++) {
      let xml = pick(originals);
      for (let times = 1 + below(3); times > 0; times--) xml = mutate(xml);
      const result = readSmiXml(xml, context);
      expect(broken(result), `round ${round}`).toEqual([]);
      outcomes[result.ok ? 'good' : 'error']++;
    }
    // Both ways were walked.
    expect(outcomes.good).toBeGreaterThan(400);
    expect(outcomes.error).toBeGreaterThan(400);
  });

  it('in its object', async () => {
    const random = generator(SEED + 1);
    const below = (n: number): number => Math.floor(random() * n);
    const pick = <T>(from: readonly T[]): T => from[below(from.length)]!;
    let original: unknown;
    parseString(
      withMig(withGpus(await compact(), 2), { 3: 8192, 4: 0 }),
      { explicitArray: false, trim: true },
      (_, data) => (original = data),
    );
    const json = JSON.stringify(original);
    type Node = Record<string, unknown>;
    const places = (node: unknown, found: [Node, string][] = []): [Node, string][] => {
      if (typeof node !== 'object' || node === null) return found;
      for (const key of Object.keys(node)) {
        found.push([node as Node, key]);
        places((node as Node)[key], found);
      }
      return found;
    };
    const outcomes = { good: 0, error: 0 };
    for (let round = 0; round < 4000; round++) {
      const data: unknown = JSON.parse(json);
      // Some documents are changed all over, so that the rare combinations come too.
      for (let times = 1 + below(random() < 0.2 ? 150 : 5); times > 0; times--) {
        const all = places(data);
        if (all.length === 0) break;
        const [parent, key] = pick(all);
        switch (below(4)) {
          case 0:
            delete parent[key];
            break;
          case 1:
            parent[key] = [parent[key], structuredClone(parent[key])];
            break;
          case 2:
            parent[key] = structuredClone(pick(ODD_VALUES));
            break;
          default: {
            const [other, name] = pick(all);
            parent[key] = structuredClone(other[name]);
          }
        }
      }
      const result = readSmiObject(data, context);
      expect(broken(result), `round ${round}`).toEqual([]);
      outcomes[result.ok ? 'good' : 'error']++;
    }
    expect(outcomes.good).toBeGreaterThan(400);
    expect(outcomes.error).toBeGreaterThan(100);
  });
});

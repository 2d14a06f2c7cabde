import { parseString } from 'xml2js';
import {
  BYTES,
  BYTES_PER_SECOND,
  CELSIUS,
  COUNT,
  HERTZ,
  MAX_TEXT,
  oneLine,
  quantity,
  RATIO,
  WATTS,
  type Quantity,
} from './quantity.js';
import { UNTOLD, type GpuFailureKind, type GpuProcess, type GpuSample } from './types.js';

export type SmiResult =
  { ok: true; samples: GpuSample[]; notes: string[] } | { ok: false; kind: GpuFailureKind; reason: string };

/** Where and when the document was had. */
export interface SmiContext {
  time: Date;
  source: string;
  replay: boolean;
}

/** One step down an object of xml2js; `undefined` wherever the shape is another one. */
function at(node: unknown, ...path: string[]): unknown {
  let current = node;
  for (const key of path) {
    if (typeof current !== 'object' || current === null || Array.isArray(current)) return undefined;
    if (!Object.hasOwn(current, key)) return undefined;
    current = (current as Record<string, unknown>)[key];
  }
  return current;
}

/** xml2js gives an object for one element and an array for several. */
function list(node: unknown): unknown[] {
  if (Array.isArray(node)) return node;
  return typeof node === 'object' && node !== null ? [node] : [];
}

/** The text of an element, with or without attributes. */
function text(node: unknown): string | null {
  if (typeof node === 'string') return node.trim();
  const inner = at(node, '_');
  return typeof inner === 'string' ? inner.trim() : null;
}

/** A name or identifier; `null` for `N/A`, `[Unknown Error]` and their like. */
function word(node: unknown): string | null {
  const value = text(node);
  if (value === null || value === '' || /^(n\/a|none|unknown|gpu is lost|\[.*\])$/i.test(value)) return null;
  return /deprecated|unknown error/i.test(value) ? null : value.slice(0, MAX_TEXT);
}

/** The first of several places that holds a value. */
function first(node: unknown, kind: Quantity, ...paths: string[][]): number | null {
  for (const path of paths) {
    const value = quantity(text(at(node, ...path)), kind);
    if (value !== null) return value;
  }
  return null;
}

/** Schemas up to v11 and some of v12 say `throttle`, later ones `event`. */
function throttleReasons(gpu: unknown): string[] {
  const reasons: string[] = [];
  for (const group of ['clocks_event_reasons', 'clocks_throttle_reasons']) {
    const node = at(gpu, group);
    if (typeof node !== 'object' || node === null || Array.isArray(node)) continue;
    for (const [key, value] of Object.entries(node)) {
      const name = /^clocks_(?:event|throttle)_reason_([a-z_]{1,60})$/.exec(key)?.[1];
      if (name === undefined || name === 'gpu_idle' || text(value) !== 'Active') continue;
      if (!reasons.includes(name)) reasons.push(name);
    }
  }
  return reasons;
}

/**
 * Uncorrected errors since the driver was loaded. Up to v10 a total of `double_bit`; then SRAM and DRAM apart; since
 * late v12 SRAM by parity and SEC-DED as well. What is there is summed.
 */
function eccUncorrected(gpu: unknown): number | null {
  const counters = at(gpu, 'ecc_errors', 'volatile');
  const places = [
    ['double_bit', 'total'],
    ['sram_uncorrectable'],
    ['sram_uncorrectable_parity'],
    ['sram_uncorrectable_secded'],
    ['dram_uncorrectable'],
  ];
  const known = places.map((path) => quantity(text(at(counters, ...path)), COUNT)).filter((n) => n !== null);
  const sum = known.reduce((a, b) => a + b, 0);
  return known.length === 0 || !Number.isSafeInteger(sum) ? null : sum;
}

function processes(gpu: unknown): GpuProcess[] {
  const found: GpuProcess[] = [];
  for (const info of list(at(gpu, 'processes', 'process_info'))) {
    const pid = quantity(text(at(info, 'pid')), COUNT);
    if (pid === null || !Number.isInteger(pid)) continue;
    const name = word(at(info, 'process_name'));
    found.push({ pid, name, memory: quantity(text(at(info, 'used_memory')), BYTES), container: null, runtime: false });
  }
  return found;
}

function migMode(gpu: unknown): 'enabled' | 'disabled' | null {
  const mode = text(at(gpu, 'mig_mode', 'current_mig'))?.toLowerCase();
  return mode === 'enabled' || mode === 'disabled' ? mode : null;
}

function sample(gpu: unknown, index: number, driver: string | null, context: SmiContext): GpuSample {
  const memoryUsed = first(gpu, BYTES, ['fb_memory_usage', 'used']);
  const memoryTotal = first(gpu, BYTES, ['fb_memory_usage', 'total']);
  const consistent = memoryUsed !== null && memoryTotal !== null && memoryTotal > 0 && memoryUsed <= memoryTotal;
  const power = ['gpu_power_readings', 'power_readings'];
  return {
    ...UNTOLD,
    ...context,
    gpu: String(index),
    uuid: word(at(gpu, 'uuid')),
    name: word(at(gpu, 'product_name')),
    driver,
    memoryUsed,
    memoryReserved: first(gpu, BYTES, ['fb_memory_usage', 'reserved']),
    memoryTotal,
    memoryRatio: consistent ? memoryUsed / memoryTotal : null,
    utilization: first(gpu, RATIO, ['utilization', 'gpu_util']),
    memoryUtilization: first(gpu, RATIO, ['utilization', 'memory_util']),
    temperature: first(gpu, CELSIUS, ['temperature', 'gpu_temp']),
    memoryTemperature: first(gpu, CELSIUS, ['temperature', 'memory_temp']),
    // The mean over a second comes first: that is what `power_draw` and NVML's power usage are since Ampere.
    power: first(
      gpu,
      WATTS,
      ...['average_power_draw', 'power_draw', 'instant_power_draw'].flatMap((name) => power.map((p) => [p, name])),
    ),
    powerLimit: first(
      gpu,
      WATTS,
      ...['enforced_power_limit', 'current_power_limit', 'power_limit'].flatMap((name) => power.map((p) => [p, name])),
    ),
    energy: null,
    fanSpeed: first(gpu, RATIO, ['fan_speed']),
    smClock: first(gpu, HERTZ, ['clocks', 'sm_clock'], ['clocks', 'graphics_clock']),
    memoryClock: first(gpu, HERTZ, ['clocks', 'mem_clock']),
    throttleReasons: throttleReasons(gpu),
    eccUncorrected: eccUncorrected(gpu),
    pcieTx: first(gpu, BYTES_PER_SECOND, ['pci', 'tx_util']),
    pcieRx: first(gpu, BYTES_PER_SECOND, ['pci', 'rx_util']),
    migMode: migMode(gpu),
    processes: processes(gpu),
  };
}

/** A lost GPU still has its element, with an error in place of every value. */
function isSilent(s: GpuSample): boolean {
  return [s.memoryUsed, s.memoryTotal, s.utilization, s.temperature, s.power].every((value) => value === null);
}

/**
 * Samples from the object that node-nvidia-smi gives (xml2js, `explicitArray: false`, `trim: true`) for the output of
 * `nvidia-smi -q -x`, schemas v10 to v13. Pure; whatever stands in `data`, it answers and never throws.
 */
export function readSmiObject(data: unknown, context: SmiContext): SmiResult {
  if (data === null || data === undefined) return { ok: false, kind: 'empty', reason: 'nvidia-smi printed nothing' };
  const log = at(data, 'nvidia_smi_log');
  if (log === undefined || typeof log !== 'object' || Array.isArray(log))
    return { ok: false, kind: 'unexpected', reason: 'the XML of nvidia-smi has no <nvidia_smi_log>' };
  const gpus = list(at(log, 'gpu'));
  if (gpus.length === 0)
    return {
      ok: false,
      kind: 'no-devices',
      reason: 'nvidia-smi runs and names no GPU: the card is missing or fell off the bus (look at dmesg)',
    };
  const driver = word(at(log, 'driver_version'));
  const all = gpus.map((gpu, index) => sample(gpu, index, driver, context));
  const samples = all.filter((s) => !isSilent(s));
  const lost = all.filter(isSilent).map((s) => `GPU ${s.gpu}${s.uuid === null ? '' : ` (${s.uuid})`}`);
  if (samples.length === 0)
    return { ok: false, kind: 'gpu-lost', reason: `nvidia-smi gives no value for ${lost.join(', ')}` };
  return { ok: true, samples, notes: lost.map((name) => `nvidia-smi gives no value for ${name}`) };
}

/** The same from the XML itself, read exactly as node-nvidia-smi does. */
export function readSmiXml(xml: string, context: SmiContext): SmiResult {
  let result: SmiResult | undefined;
  try {
    parseString(xml, { explicitArray: false, trim: true }, (error, data) => {
      // xml2js may go on after an error: the first word counts.
      result ??= error === null ? readSmiObject(data, context) : malformed(error);
    });
  } catch (error) {
    result ??= malformed(error);
  }
  return result ?? { ok: false, kind: 'malformed', reason: 'the XML of nvidia-smi does not end' };
}

function malformed(error: unknown): SmiResult {
  const message = error instanceof Error ? error.message : String(error);
  return { ok: false, kind: 'malformed', reason: `the output of nvidia-smi is not XML: ${oneLine(message)}` };
}

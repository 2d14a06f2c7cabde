import { parseExposition, type Series } from './exposition.js';
import {
  BYTES,
  BYTES_PER_SECOND,
  CELSIUS,
  COUNT,
  HERTZ,
  MAX_TEXT,
  RATIO,
  WATTS,
  within,
  type Quantity,
} from './quantity.js';
import { THROTTLE_REASONS, UNTOLD, type GpuFailureKind, type GpuSample } from './types.js';

export type DcgmResult =
  | {
      ok: true;
      samples: GpuSample[];
      /** The latest XID by `GpuSample.gpu`; 0 for none. */ xids: Map<string, number>;
      notes: string[];
    }
  | { ok: false; kind: GpuFailureKind; reason: string };

const MIB = 2 ** 20;
/** Fields that belong to a MIG instance; every other one is the device's, even where it is told for an instance. */
const OF_INSTANCE = /^DCGM_FI_(?:DEV_FB_|PROF_|DEV_XID_ERRORS$)/;

/** A device or one of its MIG instances, with its fields by name without `DCGM_FI_`. */
interface Entity {
  device: string;
  instance: string | null;
  labels: ReadonlyMap<string, string>;
  fields: Map<string, number>;
}

/**
 * Samples from what dcgm-exporter serves at `/metrics`, older and newer label names alike. Pure; never throws.
 *
 * An exporter that reads MIG instances tells the device's temperature, power and clocks for each of them: they are put
 * into the device's own sample, once.
 */
export function readDcgmMetrics(text: string, context: { time: Date; source: string }): DcgmResult {
  const failed = (kind: GpuFailureKind, reason: string): DcgmResult => ({ ok: false, kind, reason });
  const parsed = parseExposition(text);
  if (!parsed.ok)
    return failed(
      'malformed',
      `what it serves is not in Prometheus's format, at line ${parsed.line}: ${parsed.reason}`,
    );
  if (parsed.series.length === 0) return failed('empty', 'it serves an empty page: it has not read a GPU yet');
  const own = parsed.series.filter((s) => s.name.startsWith('DCGM_FI_'));
  if (own.length === 0) return failed('unexpected', 'it serves no DCGM_FI_ metric: this is not a dcgm-exporter');
  const hosts = new Set(own.map((s) => s.labels.get('Hostname') ?? s.labels.get('hostname') ?? ''));
  if (hosts.size > 1)
    return failed('unexpected', 'it serves the GPUs of several hosts: name the exporter of this node in DCGM_URL');
  const entities = gather(own);
  if (entities.length === 0)
    return failed('no-devices', 'it names no GPU: the card is missing or fell off the bus (look at dmesg)');
  const samples: GpuSample[] = [];
  const xids = new Map<string, number>();
  const silent: string[] = [];
  const cut = new Set(entities.filter((e) => e.instance !== null).map((e) => e.device));
  for (const entity of entities) {
    const sample = toSample(entity, cut.has(entity.device), context);
    const xid = within(told(entity.fields.get('DEV_XID_ERRORS')), COUNT);
    if (isSilent(sample)) silent.push(`GPU ${sample.gpu}${sample.uuid === null ? '' : ` (${sample.uuid})`}`);
    else samples.push(sample);
    xids.set(sample.gpu, xid !== null && Number.isInteger(xid) ? xid : 0);
  }
  if (samples.length === 0) return failed('gpu-lost', `it gives no value for ${silent.join(', ')}`);
  return { ok: true, samples, xids, notes: silent.map((gpu) => `dcgm-exporter gives no value for ${gpu}`) };
}

/** In the order of devices, each followed by its instances. */
function gather(series: readonly Series[]): Entity[] {
  const entities = new Map<string, Entity>();
  const entity = (device: string, instance: string | null, labels: ReadonlyMap<string, string>): Entity => {
    const key = instance === null ? device : `${device}/${instance}`;
    let found = entities.get(key);
    if (found === undefined) entities.set(key, (found = { device, instance, labels, fields: new Map() }));
    return found;
  };
  for (const { name, labels, value } of series) {
    const device = labels.get('gpu') ?? '';
    const instance = labels.get('GPU_I_ID') || null;
    if (!/^\d{1,4}$/.test(device) || (instance !== null && !/^\d{1,3}$/.test(instance))) continue;
    // What concerns one link or one lane of a device is not the device's.
    if (labels.has('nvlink') || labels.has('nvswitch')) continue;
    const whole = entity(device, null, labels);
    const owner = instance !== null && OF_INSTANCE.test(name) ? entity(device, instance, labels) : whole;
    // Where programs share a GPU its value stands there once for each: the first counts.
    const field = name.slice('DCGM_FI_'.length);
    if (!owner.fields.has(field)) owner.fields.set(field, value);
  }
  return [...entities.values()].toSorted(
    (a, b) => Number(a.device) - Number(b.device) || Number(a.instance ?? -1) - Number(b.instance ?? -1),
  );
}

/** DCGM writes "no value" as one of sixteen numbers at the end of each type's range. */
function told(value: number | undefined): number | null {
  if (value === undefined) return null;
  const blanks = [2 ** 31 - 16, 2 ** 47];
  return blanks.some((blank) => value >= blank && value < blank + 16) ? null : value;
}

function toSample(entity: Entity, hasInstances: boolean, context: { time: Date; source: string }): GpuSample {
  const { device, instance, labels, fields } = entity;
  /** The first field that tells, times `factor`, over `divisor`. */
  const field = (kind: Quantity, names: readonly string[], factor = 1, divisor = 1): number | null => {
    for (const name of names) {
      const value = told(fields.get(name));
      const scaled = value === null ? null : within((value * factor) / divisor, kind);
      if (scaled !== null) return scaled;
    }
    return null;
  };
  const count = (name: string): number | null => {
    const value = field(COUNT, [name]);
    return Number.isInteger(value) ? value : null;
  };
  const flag = (name: string): boolean | null => {
    const value = count(name);
    return value === null ? null : value > 0;
  };
  const label = (...names: string[]): string | null =>
    names
      .map((name) => labels.get(name))
      .find((value) => value !== undefined && value !== '')
      ?.slice(0, MAX_TEXT) ?? null;
  const uuid = label('UUID', 'uuid');
  const memoryTemperature = field(CELSIUS, ['DEV_MEMORY_TEMP']);
  const percent = (name: string): number | null => field(RATIO, [name], 1, 100);
  return {
    ...UNTOLD,
    ...context,
    gpu: instance === null ? device : `${device}/${instance}`,
    // An instance bears its device's UUID there.
    uuid: instance === null || uuid?.startsWith('MIG-') === true ? uuid : null,
    name: label('modelName', 'model_name'),
    migProfile: instance === null ? null : label('GPU_I_PROFILE'),
    driver: label('DCGM_FI_DRIVER_VERSION', 'driver_version'),
    replay: false,
    ...readMemory(field),
    utilization: percent('DEV_GPU_UTIL') ?? field(RATIO, ['PROF_GR_ENGINE_ACTIVE']),
    memoryUtilization: percent('DEV_MEM_COPY_UTIL') ?? field(RATIO, ['PROF_DRAM_ACTIVE']),
    temperature: field(CELSIUS, ['DEV_GPU_TEMP']),
    // GPUs without the sensor tell 0.
    memoryTemperature: memoryTemperature === 0 ? null : memoryTemperature,
    power: field(WATTS, ['DEV_POWER_USAGE', 'DEV_POWER_USAGE_INSTANT']),
    powerLimit: field(WATTS, ['DEV_ENFORCED_POWER_LIMIT', 'DEV_POWER_MGMT_LIMIT']),
    energy: field(COUNT, ['DEV_TOTAL_ENERGY_CONSUMPTION'], 1, 1000),
    fanSpeed: percent('DEV_FAN_SPEED'),
    smClock: field(HERTZ, ['DEV_SM_CLOCK'], 1e6),
    memoryClock: field(HERTZ, ['DEV_MEM_CLOCK'], 1e6),
    videoClock: field(HERTZ, ['DEV_VIDEO_CLOCK'], 1e6),
    throttleReasons: reasons(field(COUNT, ['DEV_CLOCKS_EVENT_REASONS', 'DEV_CLOCK_THROTTLE_REASONS'])),
    eccCorrected: count('DEV_ECC_SBE_VOL_TOTAL'),
    eccUncorrected: count('DEV_ECC_DBE_VOL_TOTAL'),
    remappedCorrected: count('DEV_CORRECTABLE_REMAPPED_ROWS'),
    remappedUncorrected: count('DEV_UNCORRECTABLE_REMAPPED_ROWS'),
    remapPending: flag('DEV_ROW_REMAP_PENDING'),
    remapFailed: flag('DEV_ROW_REMAP_FAILURE'),
    // The profiler's are bytes a second; NVML's are KB/s, taken as 1000 bytes, whatever their name says.
    pcieTx: rounded(
      field(BYTES_PER_SECOND, ['PROF_PCIE_TX_BYTES']) ?? field(BYTES_PER_SECOND, ['DEV_PCIE_TX_THROUGHPUT'], 1e3),
    ),
    pcieRx: rounded(
      field(BYTES_PER_SECOND, ['PROF_PCIE_RX_BYTES']) ?? field(BYTES_PER_SECOND, ['DEV_PCIE_RX_THROUGHPUT'], 1e3),
    ),
    pcieReplays: count('DEV_PCIE_REPLAY_COUNTER'),
    nvlinkErrors: linkErrors(count),
    migMode: hasInstances ? 'enabled' : null,
    processes: [],
  };
}

/** Bytes are whole. */
const rounded = (value: number | null): number | null => (value === null ? null : Math.round(value));

type Field = (kind: Quantity, names: readonly string[], factor?: number) => number | null;

/** The whole is the sum of its parts where the exporter does not tell it. */
function readMemory(field: Field): Pick<GpuSample, 'memoryUsed' | 'memoryReserved' | 'memoryTotal' | 'memoryRatio'> {
  const memoryUsed = rounded(field(BYTES, ['DEV_FB_USED'], MIB));
  const free = rounded(field(BYTES, ['DEV_FB_FREE'], MIB));
  const memoryReserved = rounded(field(BYTES, ['DEV_FB_RESERVED'], MIB));
  const parts = memoryUsed === null || free === null ? null : memoryUsed + free + (memoryReserved ?? 0);
  const memoryTotal = rounded(field(BYTES, ['DEV_FB_TOTAL'], MIB)) ?? within(parts, BYTES);
  const consistent = memoryUsed !== null && memoryTotal !== null && memoryTotal > 0 && memoryUsed <= memoryTotal;
  return { memoryUsed, memoryReserved, memoryTotal, memoryRatio: consistent ? memoryUsed / memoryTotal : null };
}

const LINK_ERRORS = ['CRC_FLIT', 'CRC_DATA', 'REPLAY', 'RECOVERY'];

function linkErrors(count: (name: string) => number | null): number | null {
  const known = LINK_ERRORS.map((kind) => count(`DEV_NVLINK_${kind}_ERROR_COUNT_TOTAL`)).filter((n) => n !== null);
  return known.length === 0
    ? null
    : within(
        known.reduce((a, b) => a + b, 0),
        COUNT,
      );
}

function reasons(mask: number | null): string[] | null {
  if (mask === null || !Number.isInteger(mask)) return null;
  return THROTTLE_REASONS.filter((_, index) => (BigInt(mask) & (2n << BigInt(index))) !== 0n);
}

/** A lost GPU may still be named, with blanks in place of every value. */
function isSilent(s: GpuSample): boolean {
  return [s.memoryUsed, s.memoryTotal, s.utilization, s.temperature, s.power, s.smClock].every((v) => v === null);
}

import { at, first, list, sum, text, value, whole, word, yesNo } from './nvidia-smi-node.js';
import { BYTES, BYTES_PER_SECOND, CELSIUS, HERTZ, MARGIN, RATIO, WATTS, within } from './quantity.js';
import { UNTOLD, type GpuProcess, type GpuSample, type RecoveryAction } from './types.js';

/** Where and when a document was had. */
export interface SmiContext {
  time: Date;
  source: string;
  replay: boolean;
}

/** What holds for all GPUs of one document. */
export interface SmiDocument {
  driver: string | null;
  context: SmiContext;
}

/**
 * The samples of one `<gpu>`: the device, and each of its MIG instances. Schemas v10 to v13. Energy and NVLink are not
 * in the document.
 */
export function readGpu(gpu: unknown, index: number, document: SmiDocument): { device: GpuSample; mig: GpuSample[] } {
  const device = readDevice(gpu, index, document);
  const mig = readMig(gpu, device);
  const told = new Set(mig.map((s) => s.gpu));
  for (const { instance, ...process } of readProcesses(gpu)) {
    const owner = instance !== null && told.has(`${index}/${instance}`) ? `${index}/${instance}` : device.gpu;
    [device, ...mig].find((s) => s.gpu === owner)!.processes.push(process);
  }
  return { device, mig };
}

function readDevice(gpu: unknown, index: number, { driver, context }: SmiDocument): GpuSample {
  const power = ['gpu_power_readings', 'power_readings'];
  return {
    ...UNTOLD,
    ...context,
    gpu: String(index),
    uuid: word(at(gpu, 'uuid')),
    name: word(at(gpu, 'product_name')),
    driver,
    ...readMemory(gpu),
    utilization: value(gpu, RATIO, 'utilization', 'gpu_util'),
    memoryUtilization: value(gpu, RATIO, 'utilization', 'memory_util'),
    temperature: value(gpu, CELSIUS, 'temperature', 'gpu_temp'),
    memoryTemperature: value(gpu, CELSIUS, 'temperature', 'memory_temp'),
    temperatureMargin: readMargin(gpu),
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
    fanSpeed: value(gpu, RATIO, 'fan_speed'),
    smClock: first(gpu, HERTZ, ['clocks', 'sm_clock'], ['clocks', 'graphics_clock']),
    memoryClock: value(gpu, HERTZ, 'clocks', 'mem_clock'),
    graphicsClock: value(gpu, HERTZ, 'clocks', 'graphics_clock'),
    videoClock: value(gpu, HERTZ, 'clocks', 'video_clock'),
    throttleReasons: readThrottleReasons(gpu),
    // Up to v10 a total by bits; then SRAM and DRAM apart; since late v12 SRAM by parity and SEC-DED. What is there is summed.
    eccCorrected: sum(
      at(gpu, 'ecc_errors', 'volatile'),
      ['single_bit', 'total'],
      ['sram_correctable'],
      ['dram_correctable'],
    ),
    eccUncorrected: sum(at(gpu, 'ecc_errors', 'volatile'), ['double_bit', 'total'], ...SRAM, ['dram_uncorrectable']),
    remappedCorrected: whole(at(gpu, 'remapped_rows', 'remapped_row_corr')),
    remappedUncorrected: whole(at(gpu, 'remapped_rows', 'remapped_row_unc')),
    remapPending: yesNo(at(gpu, 'remapped_rows', 'remapped_row_pending')),
    remapFailed: yesNo(at(gpu, 'remapped_rows', 'remapped_row_failure')),
    recoveryAction: readRecoveryAction(gpu),
    pcieTx: value(gpu, BYTES_PER_SECOND, 'pci', 'tx_util'),
    pcieRx: value(gpu, BYTES_PER_SECOND, 'pci', 'rx_util'),
    pcieReplays: whole(at(gpu, 'pci', 'replay_counter')),
    migMode: readMigMode(gpu),
    processes: [],
  };
}

const SRAM = [['sram_uncorrectable'], ['sram_uncorrectable_parity'], ['sram_uncorrectable_secded']];

function readMemory(node: unknown): Pick<GpuSample, 'memoryUsed' | 'memoryReserved' | 'memoryTotal' | 'memoryRatio'> {
  const memoryUsed = value(node, BYTES, 'fb_memory_usage', 'used');
  const memoryTotal = value(node, BYTES, 'fb_memory_usage', 'total');
  const consistent = memoryUsed !== null && memoryTotal !== null && memoryTotal > 0 && memoryUsed <= memoryTotal;
  return {
    memoryUsed,
    memoryReserved: value(node, BYTES, 'fb_memory_usage', 'reserved'),
    memoryTotal,
    memoryRatio: consistent ? memoryUsed / memoryTotal : null,
  };
}

/** Later schemas tell the margin; from earlier ones it is the distance to the nearest threshold at which clocks fall. */
function readMargin(gpu: unknown): number | null {
  const told = value(gpu, MARGIN, 'temperature', 'gpu_temp_tlimit');
  if (told !== null) return told;
  const temperature = value(gpu, CELSIUS, 'temperature', 'gpu_temp');
  const thresholds = ['gpu_temp_slow_threshold', 'gpu_temp_max_gpu_threshold']
    .map((name) => value(gpu, CELSIUS, 'temperature', name))
    .filter((n) => n !== null);
  if (temperature === null || thresholds.length === 0) return null;
  return within(Math.min(...thresholds) - temperature, MARGIN);
}

/** Schemas up to v11 and some of v12 say `throttle`, later ones `event`; `null` where no reason is told at all. */
function readThrottleReasons(gpu: unknown): string[] | null {
  const reasons: string[] = [];
  let told = false;
  for (const group of ['clocks_event_reasons', 'clocks_throttle_reasons']) {
    const node = at(gpu, group);
    if (typeof node !== 'object' || node === null || Array.isArray(node)) continue;
    for (const [key, child] of Object.entries(node)) {
      const name = /^clocks_(?:event|throttle)_reason_([a-z_]{1,60})$/.exec(key)?.[1];
      const state = text(child);
      if (name === undefined || (state !== 'Active' && state !== 'Not Active')) continue;
      told = true;
      if (state === 'Active' && name !== 'gpu_idle' && !reasons.includes(name)) reasons.push(name);
    }
  }
  return told ? reasons : null;
}

/** Since late v12 one action; before it two flags, of which a set one counts and two unset ones are `none`. */
function readRecoveryAction(gpu: unknown): RecoveryAction | null {
  const said = text(at(gpu, 'gpu_recovery_action'))?.toLowerCase() ?? '';
  if (said === 'none') return 'none';
  if (/^drain\b.*\breset\b/.test(said)) return 'drain_and_reset';
  if (/^drain p2p\b/.test(said)) return 'drain_p2p';
  if (/^(node )?reboot\b/.test(said)) return 'node_reboot';
  if (/^(gpu )?reset\b/.test(said)) return 'gpu_reset';
  const reset = yesNo(at(gpu, 'gpu_reset_status', 'reset_required'));
  const drain = yesNo(at(gpu, 'gpu_reset_status', 'drain_and_reset_recommended'));
  if (reset === true) return 'gpu_reset';
  if (drain === true) return 'drain_and_reset';
  return reset === false && drain === false ? 'none' : null;
}

function readMigMode(gpu: unknown): 'enabled' | 'disabled' | null {
  const mode = text(at(gpu, 'mig_mode', 'current_mig'))?.toLowerCase();
  return mode === 'enabled' || mode === 'disabled' ? mode : null;
}

/**
 * One sample a GPU instance: memory belongs to it, and its compute instances share it. Temperature, power and clocks
 * are the device's, and stand in its own sample. nvidia-smi tells neither a profile nor, in most versions, a UUID.
 */
function readMig(gpu: unknown, device: GpuSample): GpuSample[] {
  const found = new Map<number, GpuSample>();
  for (const instance of list(at(gpu, 'mig_devices', 'mig_device'))) {
    const id = whole(at(instance, 'gpu_instance_id'));
    if (id === null || id > MAX_INSTANCE_ID || found.has(id)) continue;
    const errors = at(instance, 'ecc_error_count', 'volatile_count');
    found.set(id, {
      ...NOTHING,
      time: device.time,
      source: device.source,
      replay: device.replay,
      gpu: `${device.gpu}/${id}`,
      uuid: word(at(instance, 'uuid')),
      name: device.name,
      driver: device.driver,
      ...readMemory(instance),
      eccUncorrected: sum(errors, ...SRAM),
      migMode: device.migMode,
      processes: [],
    });
  }
  return [...found.values()];
}

/** NVIDIA numbers GPU instances from 0 to 14; more would only be noise in labels. */
const MAX_INSTANCE_ID = 255;

/** What a MIG instance does not tell. */
const NOTHING = {
  ...UNTOLD,
  utilization: null,
  memoryUtilization: null,
  temperature: null,
  memoryTemperature: null,
  power: null,
  powerLimit: null,
  energy: null,
  fanSpeed: null,
  smClock: null,
  memoryClock: null,
  throttleReasons: null,
  pcieTx: null,
  pcieRx: null,
} as const satisfies Partial<GpuSample>;

function readProcesses(gpu: unknown): (GpuProcess & { instance: number | null })[] {
  const found: (GpuProcess & { instance: number | null })[] = [];
  for (const info of list(at(gpu, 'processes', 'process_info'))) {
    const pid = whole(at(info, 'pid'));
    if (pid === null) continue;
    found.push({
      pid,
      name: word(at(info, 'process_name')),
      memory: value(info, BYTES, 'used_memory'),
      container: null,
      runtime: false,
      instance: whole(at(info, 'gpu_instance_id')),
    });
  }
  return found;
}

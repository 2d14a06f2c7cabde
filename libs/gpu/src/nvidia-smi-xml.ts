import { parseString } from 'xml2js';
import { readGpu, type SmiContext } from './nvidia-smi-gpu.js';
import { at, list, word } from './nvidia-smi-node.js';
import { oneLine } from './quantity.js';
import type { GpuFailureKind, GpuSample } from './types.js';

export type { SmiContext } from './nvidia-smi-gpu.js';

export type SmiResult =
  { ok: true; samples: GpuSample[]; notes: string[] } | { ok: false; kind: GpuFailureKind; reason: string };

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
  const document = { driver: word(at(log, 'driver_version')), context };
  const all = gpus.map((gpu, index) => readGpu(gpu, index, document));
  const told = all.filter(({ device }) => !isSilent(device));
  const lost = all
    .filter(({ device }) => isSilent(device))
    .map(({ device }) => `GPU ${device.gpu}${device.uuid === null ? '' : ` (${device.uuid})`}`);
  if (told.length === 0)
    return { ok: false, kind: 'gpu-lost', reason: `nvidia-smi gives no value for ${lost.join(', ')}` };
  const samples = told.flatMap(({ device, mig }) => [device, ...mig.filter((s) => !isSilent(s))]);
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

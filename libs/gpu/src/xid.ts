import type { GpuEventClass } from './types.js';

const CRITICAL: ReadonlySet<number> = new Set([48, 62, 64, 74, 79, 95, 119, 120]);

/** How bad an XID is, and what it means. */
export function describeXid(code: number): { class: GpuEventClass; meaning: string } {
  if (CRITICAL.has(code))
    return { class: 'critical', meaning: `XID ${code}: the GPU cannot be trusted until it is reset` };
  return { class: 'unknown', meaning: `XID ${code} is not known here` };
}

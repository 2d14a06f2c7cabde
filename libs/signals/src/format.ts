import type { Unit } from './types.js';

const STEPS: readonly [number, string][] = [
  [2 ** 40, 'TiB'],
  [2 ** 30, 'GiB'],
  [2 ** 20, 'MiB'],
  [2 ** 10, 'KiB'],
];

/** One of it, several of it. */
const COUNTED: Readonly<Partial<Record<Unit, readonly [string, string]>>> = {
  '{request}': ['requests', 'requests'],
  '{request}/s': ['requests/s', 'requests/s'],
  '{token}/s': ['tokens/s', 'tokens/s'],
  '{error}/s': ['errors/s', 'errors/s'],
  '{error}': ['error', 'errors'],
  '{row}': ['row', 'rows'],
  '{event}': ['event', 'events'],
  '{gpu}': ['GPU', 'GPUs'],
  '{process}': ['process', 'processes'],
};

/** A value as people read it: `93.2 %`, `740 ms`, `12.4 GiB`, `71 °C`, `2 GPUs`. */
export function formatValue(value: number, unit: Unit): string {
  switch (unit) {
    case '1':
      return `${trim(value * 100)} %`;
    case 's':
      return Math.abs(value) < 1 ? `${trim(value * 1000)} ms` : `${trim(value)} s`;
    case 'By':
      return formatBytes(value);
    case 'By/s':
      return `${formatBytes(value)}/s`;
    case 'Cel':
      return `${trim(value)} °C`;
    case 'W':
      return `${trim(value)} W`;
    case 'Hz':
      return `${trim(value / 1e6)} MHz`;
    default: {
      const [one, several] = COUNTED[unit] ?? ['', ''];
      return `${trim(value)} ${value === 1 ? one : several}`.trimEnd();
    }
  }
}

function formatBytes(value: number): string {
  const [size, name] = STEPS.find(([size]) => Math.abs(value) >= size) ?? [1, 'B'];
  return `${trim(value / size)} ${name}`;
}

/** Three digits or so; a small value keeps two, so that a threshold of 0.001 is not told as 0. */
function trim(value: number): string {
  const size = Math.abs(value);
  if (size < 0.1) return String(Number(value.toPrecision(2)));
  return String(Number(value.toFixed(size >= 100 ? 0 : size >= 10 ? 1 : 2)));
}

/** A length of time as people read it: `45 s`, `12 min`, `3 h 5 min`. */
export function formatDuration(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  if (whole < 120) return `${whole} s`;
  const minutes = Math.round(whole / 60);
  if (minutes < 120) return `${minutes} min`;
  const hours = Math.floor(minutes / 60);
  if (hours < 48) return minutes % 60 === 0 ? `${hours} h` : `${hours} h ${minutes % 60} min`;
  return `${Math.floor(hours / 24)} d ${hours % 24} h`;
}

import type { Unit } from './types.js';

const STEPS: readonly [number, string][] = [
  [2 ** 40, 'TiB'],
  [2 ** 30, 'GiB'],
  [2 ** 20, 'MiB'],
  [2 ** 10, 'KiB'],
];

/** A value as people read it: `93.2 %`, `740 ms`, `12.4 GiB`, `71 °C`. */
export function formatValue(value: number, unit: Unit): string {
  switch (unit) {
    case '1':
      return `${trim(value * 100)} %`;
    case 's':
      return Math.abs(value) < 1 ? `${trim(value * 1000)} ms` : `${trim(value)} s`;
    case 'By': {
      const [size, name] = STEPS.find(([size]) => Math.abs(value) >= size) ?? [1, 'B'];
      return `${trim(value / size)} ${name}`;
    }
    case 'Cel':
      return `${trim(value)} °C`;
    case 'W':
      return `${trim(value)} W`;
    case 'Hz':
      return `${trim(value / 1e6)} MHz`;
    case '{request}/s':
      return `${trim(value)} requests/s`;
    case '{token}/s':
      return `${trim(value)} tokens/s`;
  }
}

const trim = (value: number): string =>
  String(Number(value.toFixed(Math.abs(value) >= 100 ? 0 : Math.abs(value) >= 10 ? 1 : 2)));

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

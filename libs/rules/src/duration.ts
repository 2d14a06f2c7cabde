const SECONDS: readonly (readonly [string, number])[] = [
  ['d', 86_400],
  ['h', 3600],
  ['m', 60],
  ['s', 1],
  ['ms', 0.001],
];

/** A duration as Prometheus writes it: 90 seconds are `1m30s`. `parseDuration` of `@vigil/service` reads it back. */
export function ruleDuration(seconds: number): string {
  let left = Math.round(seconds * 1000);
  let text = '';
  for (const [unit, size] of SECONDS) {
    const count = Math.floor(left / (size * 1000));
    if (count === 0) continue;
    text += `${count}${unit}`;
    left -= count * size * 1000;
  }
  return text || '0s';
}

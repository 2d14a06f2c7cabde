const SECONDS: readonly (readonly [string, number])[] = [
  ['d', 86_400],
  ['h', 3600],
  ['m', 60],
  ['s', 1],
  ['ms', 0.001],
];

/**
 * Reads a duration as Prometheus writes it: `250ms`, `15s`, `10m`, `1h30m`.
 * @returns seconds, or `undefined` where the text is not a duration
 */
export function parseRuleDuration(text: string): number | undefined {
  if (!/^(\d+(ms|s|m|h|d))+$/.test(text)) return undefined;
  let seconds = 0;
  for (const [, digits, unit] of text.matchAll(/(\d+)(ms|s|m|h|d)/g))
    seconds += Number(digits) * SECONDS.find(([name]) => name === unit)![1];
  return Number.isFinite(seconds) ? seconds : undefined;
}

/** The same the other way: `90` is `1m30s`. */
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

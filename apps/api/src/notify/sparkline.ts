const BARS = '▁▂▃▄▅▆▇█';

/**
 * Values as a line of bars. The scale goes from the least to the greatest of the values and the threshold, so that a
 * glance tells how far beyond it they are.
 */
export function sparkline(values: readonly number[], threshold: number): string {
  const known = values.filter(Number.isFinite);
  if (known.length < 2) return '';
  const low = Math.min(...known, threshold);
  const span = Math.max(...known, threshold) - low;
  return known.map((v) => BARS[span === 0 ? 0 : Math.round(((v - low) / span) * (BARS.length - 1))]).join('');
}

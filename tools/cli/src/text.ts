/** Rows as text, each column as wide as its widest cell; the last column is not padded. */
export function columns(rows: readonly (readonly string[])[], gap = '  '): string[] {
  const widths: number[] = [];
  for (const row of rows)
    for (const [i, cell] of row.slice(0, -1).entries()) widths[i] = Math.max(widths[i] ?? 0, cell.length);
  return rows.map((row) => row.map((cell, i) => (i === row.length - 1 ? cell : cell.padEnd(widths[i]!))).join(gap));
}

const UNITS = ['bytes', 'KiB', 'MiB', 'GiB', 'TiB'];

/** Bytes for a person: `14.0 GiB`, `304 MiB`. */
export function size(bytes: number): string {
  let value = bytes;
  let unit = 0;
  while (value >= 1000 && unit < UNITS.length - 1) {
    value /= 1024;
    unit++;
  }
  return `${unit === 0 || value >= 100 ? Math.round(value) : value.toPrecision(3)} ${UNITS[unit]}`;
}

/** Bytes a second for a person, in powers of ten as data sheets have them: `3.35 TB/s`. */
export function speed(bytesPerSecond: number): string {
  const [value, unit] =
    bytesPerSecond >= 1e12
      ? [bytesPerSecond / 1e12, 'TB/s']
      : bytesPerSecond >= 1e9
        ? [bytesPerSecond / 1e9, 'GB/s']
        : [bytesPerSecond / 1e6, 'MB/s'];
  return `${value >= 100 ? Math.round(value) : value.toPrecision(3)} ${unit}`;
}

export const number = (n: number): string => n.toLocaleString('en-US');
export const percent = (ratio: number): string => `${Math.round(ratio * 100)} %`;

/** Text in lines of at most `width` characters, broken at spaces. */
export function wrap(text: string, width: number): string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(' ')) {
    if (line !== '' && line.length + 1 + word.length > width) {
      lines.push(line);
      line = word;
    } else line = line === '' ? word : `${line} ${word}`;
  }
  return line === '' ? lines : [...lines, line];
}

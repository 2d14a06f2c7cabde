import { describe, expect, it } from 'vitest';
import { parseExposition, type Series } from './exposition.js';

function read(text: string): Series[] {
  const result = parseExposition(text);
  if (!result.ok) throw new Error(`line ${result.line}: ${result.reason}`);
  return result.series;
}
const one = (line: string) => {
  const [series] = read(`${line}\n`);
  return { ...series!, labels: Object.fromEntries(series!.labels) };
};

describe('parseExposition', () => {
  it.each([
    ['up 1', 'up', {}, 1, null],
    ['up{} 1', 'up', {}, 1, null],
    ['  a:b_c9 \t 2.5 ', 'a:b_c9', {}, 2.5, null],
    ['x{gpu="0", UUID="GPU-1"} 92', 'x', { gpu: '0', UUID: 'GPU-1' }, 92, null],
    ['x {gpu="0",} .5', 'x', { gpu: '0' }, 0.5, null],
    ['x{ a = "b" , c="d" }\t-1e3', 'x', { a: 'b', c: 'd' }, -1000, null],
    ['x{a="1"}+Inf', 'x', { a: '1' }, Infinity, null],
    ['x -inf', 'x', {}, -Infinity, null],
    ['x NaN', 'x', {}, NaN, null],
    ['x 1 1395066363000', 'x', {}, 1, 1395066363000],
    ['x 1 1395066363.123 # {trace_id="k,}"} 0.67 1395066363', 'x', {}, 1, 1395066363.123],
    ['x 1 # {} 0.67', 'x', {}, 1, null],
    [String.raw`x{path="C:\\DIR\"\n{}=,"} 1`, 'x', { path: 'C:\\DIR"\n{}=,' }, 1, null],
    ['x{a="# no comment"} 1', 'x', { a: '# no comment' }, 1, null],
    ['x{a="é 显存"} 1', 'x', { a: 'é 显存' }, 1, null],
    ['x{__proto__="1"} 1', 'x', { ['__proto__']: '1' }, 1, null],
  ])('reads %s', (line, name, labels, value, timestamp) => {
    expect(one(line)).toEqual({ name, labels, value, timestamp });
  });

  it('reads types, and skips help, comments and empty lines', () => {
    const result = parseExposition('# HELP x What " it { is.\n# TYPE x counter\n#\n# anything\n\nx 1\r\n');
    expect(result).toMatchObject({ ok: true, series: [{ name: 'x', value: 1 }] });
    expect(result.ok && [...result.types]).toEqual([['x', 'counter']]);
    expect(read('')).toEqual([]);
  });

  it('ends where OpenMetrics ends', () => {
    expect(read('x 1\n# EOF\nnonsense!\n')).toHaveLength(1);
  });

  it.each([
    ['x 1', 1, /cut off/],
    ['x 1\ny{a="b', 2, /cut off/],
    ['x 1\ny{a="b\n', 2, /does not end/],
    ['x\n', 1, /followed by something odd|no value/],
    ['x{a="b"}\n', 1, /no value/],
    ['x{a="b" 1\n', 1, /commas/],
    ['x{a="b"c="d"} 1\n', 1, /commas/],
    ['x{a=b} 1\n', 1, /double quotes/],
    ['x{="b"} 1\n', 1, /no name/],
    ['x{,} 1\n', 1, /no name/],
    ['x{a} 1\n', 1, /no value/],
    ['x{a="b",a="c"} 1\n', 1, /twice/],
    [String.raw`x{a="\t"} 1` + '\n', 1, /escape/],
    ['9x 1\n', 1, /begin with a name/],
    ['x-y 1\n', 1, /odd/],
    ['x 0x10\n', 1, /no number/],
    ['x 1,5\n', 1, /no number/],
    ['x one\n', 1, /no number/],
    ['x 1 NaN\n', 1, /timestamp/],
    ['x 1 2 3\n', 1, /goes on/],
    ['x 1 # 0.5\n', 1, /exemplar/],
    ['x 1 # {a="b"}\n', 1, /no exemplar/],
    ['x 1 # {a="b"} 1 2 3\n', 1, /goes on/],
    ['<html>\n', 1, /begin with a name/],
    ['# TYPE x speed\n', 1, /TYPE/],
    ['# TYPE x\n', 1, /TYPE/],
    ['# TYPE x gauge\n# TYPE x gauge\n', 2, /twice/],
  ])('refuses %j and says where', (text, line, reason) => {
    expect(parseExposition(text)).toEqual({ ok: false, line, reason: expect.stringMatching(reason) });
  });

  it('refuses a document cut anywhere within its last line', () => {
    const text = '# TYPE x gauge\nx{gpu="0",UUID="GPU-1"} 12.5\n';
    for (let length = text.indexOf('\n') + 2; length < text.length; length++)
      expect(parseExposition(text.slice(0, length)).ok).toBe(false);
  });

  it('answers any mutation of a document with series or a line', () => {
    const text =
      '# HELP x Text.\n# TYPE x gauge\nx{gpu="0",UUID="GPU-\\"1\\n"} 12.5 1395066363000 # {a="b"} 1 2\ny -1e-3\n';
    let state = 7;
    const below = (n: number): number => (state = (state * 48_271) % 2_147_483_647) % n;
    const outcomes = { good: 0, bad: 0 };
    for (let round = 0; round < 20_000; round++) {
      const at = below(text.length);
      const piece = ['', '"', '\\', '{', '}', '\n', '#', ' ', 'NaN', '\0', 'é'][below(11)]!;
      const result = parseExposition(text.slice(0, at) + piece + text.slice(at + below(3)));
      outcomes[result.ok ? 'good' : 'bad']++;
      if (!result.ok) expect(result.line).toBeGreaterThan(0);
    }
    expect(outcomes.good).toBeGreaterThan(1000);
    expect(outcomes.bad).toBeGreaterThan(1000);
  });
});

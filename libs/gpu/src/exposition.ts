/*
 * A reader of the text format in which Prometheus scrapes (version 0.0.4) and of what OpenMetrics adds to a line
 * (exemplars, `# EOF`). Strict: a document with one wrong line is refused whole, since what follows a cut-off or mixed-up
 * line cannot be relied on either.
 */

/** One line with a value. */
export interface Series {
  name: string;
  labels: ReadonlyMap<string, string>;
  /** May be NaN or infinite, as the format allows. */
  value: number;
  /** As it stands there, in the format's unit: milliseconds for Prometheus, seconds for OpenMetrics. */
  timestamp: number | null;
}

export type ExpositionResult =
  | { ok: true; series: Series[]; types: ReadonlyMap<string, string> }
  /** @property line counted from 1 */
  | { ok: false; line: number; reason: string };

const NAME = /[a-zA-Z_:][a-zA-Z0-9_:]*/y;
const LABEL = /[a-zA-Z_][a-zA-Z0-9_]*/y;
const BLANKS = /[ \t]*/y;
const TOKEN = /[^ \t]+/y;
const NUMBER = /^[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?$/;
const TYPES = /^(?:counter|gauge|histogram|summary|untyped|unknown|info|stateset|gaugehistogram)$/;

class Malformed extends Error {}

/** Walks one line. */
class Line {
  private position = 0;
  constructor(private readonly text: string) {}

  get done(): boolean {
    return this.position >= this.text.length;
  }
  get next(): string {
    return this.text[this.position] ?? '';
  }

  blanks(): void {
    this.match(BLANKS);
  }
  take(character: string): boolean {
    if (this.next !== character) return false;
    this.position++;
    return true;
  }
  match(pattern: RegExp): string {
    pattern.lastIndex = this.position;
    const found = pattern.exec(this.text)?.[0] ?? '';
    this.position += found.length;
    return found;
  }

  /** What stands between double quotes, with `\\`, `\"` and `\n` resolved. */
  quoted(): string {
    if (!this.take('"')) throw new Malformed('a label value in double quotes is missing');
    let value = '';
    for (; !this.done; this.position++) {
      const character = this.next;
      if (character === '"') {
        this.position++;
        return value;
      }
      if (character !== '\\') {
        value += character;
        continue;
      }
      this.position++;
      const escaped = { '\\': '\\', '"': '"', n: '\n' }[this.next];
      if (escaped === undefined) throw new Malformed('a label value has an unknown escape');
      value += escaped;
    }
    throw new Malformed('a label value does not end');
  }
}

/** @returns the series and types of a document, or the first line that is wrong and why. Pure; never throws. */
export function parseExposition(text: string): ExpositionResult {
  const lines = text.split('\n');
  // Each line ends with a line feed; a rest behind the last one was cut off.
  if (lines.pop() !== '') return { ok: false, line: lines.length + 1, reason: 'the document is cut off' };
  const series: Series[] = [];
  const types = new Map<string, string>();
  for (const [index, raw] of lines.entries()) {
    const line = raw.endsWith('\r') ? raw.slice(0, -1) : raw;
    try {
      if (/^[ \t]*$/.test(line)) continue;
      if (/^[ \t]*#/.test(line)) {
        if (line === '# EOF') break;
        readComment(line, types);
      } else series.push(readSeries(new Line(line)));
    } catch (error) {
      if (!(error instanceof Malformed)) throw error;
      return { ok: false, line: index + 1, reason: error.message };
    }
  }
  return { ok: true, series, types };
}

/** Any comment is allowed; one that says a type must say a known one. */
function readComment(line: string, types: Map<string, string>): void {
  const [, , name, type, ...rest] = line.trim().split(/[ \t]+/);
  if (!/^[ \t]*#[ \t]+TYPE(?:[ \t]|$)/.test(line)) return;
  if (name === undefined || type === undefined || rest.length > 0 || !TYPES.test(type))
    throw new Malformed('a TYPE line is wrong');
  if (types.has(name)) throw new Malformed(`the type of ${name.slice(0, 100)} is told twice`);
  types.set(name, type);
}

function readSeries(line: Line): Series {
  line.blanks();
  const name = line.match(NAME);
  if (name === '') throw new Malformed('a line does not begin with a name');
  const afterName = line.next;
  line.blanks();
  const labels = line.next === '{' ? readLabels(line) : new Map<string, string>();
  if (labels.size === 0 && afterName !== '{' && afterName !== ' ' && afterName !== '\t')
    throw new Malformed(`the name ${name.slice(0, 100)} is followed by something odd`);
  line.blanks();
  const value = readNumber(line, 'value');
  line.blanks();
  let timestamp: number | null = null;
  if (!line.done && line.next !== '#') {
    timestamp = readNumber(line, 'timestamp');
    if (!Number.isFinite(timestamp)) throw new Malformed('a timestamp is not a number');
    line.blanks();
  }
  if (line.take('#')) readExemplar(line);
  if (!line.done) throw new Malformed('a line goes on behind its value');
  return { name, labels, value, timestamp };
}

/** `{a="b",c="d"}`; a comma may stand before the end. */
function readLabels(line: Line): Map<string, string> {
  line.take('{');
  const labels = new Map<string, string>();
  for (;;) {
    line.blanks();
    if (line.take('}')) return labels;
    const name = line.match(LABEL);
    if (name === '') throw new Malformed('a label has no name');
    line.blanks();
    if (!line.take('=')) throw new Malformed(`the label ${name.slice(0, 100)} has no value`);
    line.blanks();
    if (labels.has(name)) throw new Malformed(`the label ${name.slice(0, 100)} stands twice`);
    labels.set(name, line.quoted());
    line.blanks();
    if (line.take(',')) continue;
    if (!line.take('}')) throw new Malformed('labels are not separated by commas');
    return labels;
  }
}

/** Checked and dropped: nothing here needs one. */
function readExemplar(line: Line): void {
  line.blanks();
  if (line.next !== '{') throw new Malformed('an exemplar has no labels');
  readLabels(line);
  line.blanks();
  readNumber(line, 'exemplar');
  line.blanks();
  if (!line.done) readNumber(line, 'timestamp of an exemplar');
  line.blanks();
}

function readNumber(line: Line, what: string): number {
  const token = line.match(TOKEN);
  if (NUMBER.test(token)) return Number(token);
  if (/^[+-]?inf(?:inity)?$/i.test(token)) return token.startsWith('-') ? -Infinity : Infinity;
  if (/^nan$/i.test(token)) return Number.NaN;
  throw new Malformed(
    token === '' ? `a line has no ${what}` : `the ${what} ${JSON.stringify(token.slice(0, 100))} is no number`,
  );
}

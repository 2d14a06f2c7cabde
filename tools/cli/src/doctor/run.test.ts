import { describe, expect, it } from 'vitest';
import { printRows, summarise } from './report.js';
import { runChecks } from './run.js';
import type { Check, Context, Row } from './types.js';
import { pass } from './types.js';

const context = {} as Context;
const options = { perCheckSeconds: 30, totalSeconds: 30 };
const check = (id: string, run: Check['run'], heavy = false): Check => ({ id, title: id, heavy, run });

describe('runChecks', () => {
  it('gives a row for each, in order, whatever becomes of it', async () => {
    const rows = await runChecks(
      [
        check('late', () => new Promise(() => undefined), true),
        check('good', () => pass('1', 'Good.')),
        check('throws', () => {
          throw new Error('disk is on fire');
        }),
        check('rejects', () => Promise.reject(new Error('EIO'))),
      ],
      context,
      { perCheckSeconds: 0.2, totalSeconds: 30 },
    );
    expect(rows.map(({ id, status, reason }) => [id, status, reason])).toEqual([
      ['late', 'skip', 'It did not end within 0 s, and was left alone.'],
      ['good', 'pass', 'Good.'],
      ['throws', 'skip', 'It could not be found out: disk is on fire.'],
      ['rejects', 'skip', 'It could not be found out: EIO.'],
    ]);
  });

  it('ends when the time of all is over', async () => {
    const never = () => new Promise<never>(() => undefined);
    const checks = [check('a', never, true), check('b', never, true), check('c', never, true)];
    const rows = await runChecks(checks, context, { perCheckSeconds: 30, totalSeconds: 0.3 });
    expect(rows.map((row) => row.status)).toEqual(['skip', 'skip', 'skip']);
  });

  it('runs those that load the machine one after the other, the others beside them', async () => {
    let running = 0;
    let most = 0;
    let release: (() => void) | undefined;
    const light = new Promise<void>((resolve) => (release = resolve));
    const heavy = async () => {
      most = Math.max(most, ++running);
      await new Promise((resolve) => setImmediate(resolve));
      running--;
      return pass(null, 'Measured.');
    };
    const rows = await runChecks(
      [
        check('a', heavy, true),
        check('b', heavy, true),
        check('c', heavy, true),
        check('d', () => light.then(() => pass(null, 'Read.'))),
        check('e', async () => (release!(), pass(null, 'Read.')), true),
      ],
      context,
      options,
    );
    expect(rows.map((row) => row.status)).toEqual(Array(5).fill('pass'));
    expect(most).toBe(1);
  });

  it('says what it measures', async () => {
    const said: string[] = [];
    const checks = [check('a', () => pass(null, ''), true), check('b', () => pass(null, ''))];
    await runChecks(checks, context, { ...options, progress: (title) => said.push(title) });
    expect(said).toEqual(['a']);
  });
});

describe('printRows', () => {
  const rows: Row[] = [
    { id: 'a', title: 'First', status: 'pass', measured: '1 GB/s', reason: 'All is well.' },
    { id: 'b', title: 'The second', status: 'fail', measured: null, reason: 'It is bad.', remedy: 'Make it good.' },
    { id: 'c', title: 'Third', status: 'warn', measured: 'half', reason: 'So so. '.repeat(12).trim(), remedy: 'Look.' },
    { id: 'd', title: 'Fourth', status: 'skip', measured: null, reason: 'Not here.' },
  ];

  it('prints mark, title, what was measured, reason and remedy', () => {
    expect(printRows(rows, { width: 60, colour: false }).split('\n')).toEqual([
      '✓  First       1 GB/s',
      '     All is well.',
      '✗  The second',
      '     It is bad.',
      '     → Make it good.',
      '!  Third       half',
      '     So so. So so. So so. So so. So so. So so. So so. So so.',
      '     So so. So so. So so. So so.',
      '     → Look.',
      '–  Fourth',
      '     Not here.',
      '',
      '✓ 1 passed   ! 1 to look at   ✗ 1 failed   – 1 skipped',
    ]);
  });

  it('colours the marks alone', () => {
    const plain = printRows(rows, { width: 60, colour: false });
    const coloured = printRows(rows, { width: 60, colour: true });
    expect(coloured.split(/\p{Cc}\[\d+m/u).join('')).toBe(plain);
    expect(coloured).toContain('\u001b[31m✗\u001b[0m  The second');
  });

  it('counts', () => {
    expect(summarise([...rows, rows[0]!])).toEqual({ pass: 2, warn: 1, fail: 1, skip: 1 });
  });
});

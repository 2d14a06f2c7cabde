import { describe, expect, it } from 'vitest';
import {
  admit,
  admits,
  answering,
  CLOSED,
  failed,
  FAILURES,
  resting,
  succeeded,
  undecided,
  waitOf,
  type Circuit,
} from './breaker.js';
import { bodyFor } from './engine.js';
import { clean, faultOf, readError, secondsOf } from './fault.js';
import { nextChance, order } from './order.js';
import { retryPause } from './retry.js';
import { parseUpstreams } from './upstreams.js';

describe('UPSTREAMS', () => {
  const env = { DEEPSEEK_API_KEY: 'sk-very-secret' };

  it('is read, with what is not said preset', () => {
    const text =
      'gpu=http://10.0.0.5:8000;weight=2\n  backup=https://api.deepseek.com;tier=2;key=DEEPSEEK_API_KEY;model=deepseek-reasoner;usage=never';
    const preset = { kind: undefined, weight: 1, tier: 1, key: undefined, model: undefined, usage: true };
    expect(parseUpstreams(text, env)).toEqual([
      { ...preset, name: 'gpu', url: 'http://10.0.0.5:8000/v1', weight: 2 },
      {
        name: 'backup',
        url: 'https://api.deepseek.com/v1',
        kind: 'deepseek',
        weight: 1,
        tier: 2,
        key: 'sk-very-secret',
        model: 'deepseek-reasoner',
        usage: false,
      },
    ]);
  });

  it.each([
    ['a=http://x/v1/', 'http://x/v1', undefined],
    ['a=https://api.siliconflow.cn/v1', 'https://api.siliconflow.cn/v1', 'siliconflow'],
    ['a=http://x/openai/;kind=sglang', 'http://x/openai', 'sglang'],
    ['a=https://notdeepseek.com', 'https://notdeepseek.com/v1', undefined],
  ])('%s', (text, url, kind) => {
    expect(parseUpstreams(text, {})[0]).toMatchObject({ url, kind });
  });

  it.each([
    [undefined, /needs UPSTREAMS/],
    ['http://x/v1', /entry 1: name=URL is expected/],
    ['a=http://x a=http://y', /"a": the name is given twice/],
    ['a=ftp://x', /must begin with http/],
    ['a=:', /can not be read/],
    ['a=http://sk-very-secret@x/v1', /may hold no user, password or query/],
    ['a=http://x?key=sk-very-secret', /may hold no user, password or query/],
    ['a=http://x;key=sk-very-secret', /"a": key= is the name of a variable/],
    ['a=http://x;key=NOT_THERE', /looked for in NOT_THERE, which is not set/],
    ['a=http://x;speed=sk-very-secret', /only weight=, tier=, key=/],
    ['a=http://x;weight', /only weight=, tier=, key=/],
    ['a=http://x;weight=0', /weight= is a whole number from 1 to 1000/],
    ['a=http://x;weight=1;weight=2', /weight= is given twice/],
    ['a=http://x;tier=1.5', /tier= is a whole number/],
    ['a=http://x;kind=gpt', /kind= is one of vllm/],
    ['a=http://x;model=', /model= is empty/],
    ['a=http://x;usage=no', /usage= is ask or never/],
  ])('%s is refused, and no secret is said', (text, message) => {
    const read = () => parseUpstreams(text, env);
    expect(read).toThrow(message);
    expect(read).not.toThrow(/sk-very-secret/);
  });
});

describe('the circuit', () => {
  type Act = ['fail' | 'ok' | 'begin' | 'undecided' | 'ask', number];
  const run = (acts: readonly Act[], from: Circuit = CLOSED) =>
    acts.reduce((circuit, [act, now]) => {
      const { epoch } = circuit;
      if (act === 'fail') return failed(circuit, epoch, now);
      if (act === 'ok') return succeeded(circuit, epoch);
      if (act === 'begin') return answering(circuit, epoch);
      return act === 'ask' ? admit(circuit, now).circuit : undecided(circuit, epoch);
    }, from);
  const fails = (count: number, now = 0): Act[] => Array.from({ length: count }, () => ['fail', now]);

  it.each<[string, Act[], Partial<Circuit>]>([
    ['stays closed below the limit', fails(FAILURES - 1), { state: 'closed', failures: FAILURES - 1 }],
    [
      'forgets failures at a success',
      [...fails(FAILURES - 1), ['ok', 0], ['fail', 0]],
      { state: 'closed', failures: 1 },
    ],
    ['opens at the limit, for a second', fails(FAILURES, 10), { state: 'open', until: 11, openings: 1 }],
    ['lets none pass before its time', [...fails(FAILURES), ['ask', 0.9]], { state: 'open' }],
    ['lets one try it then', [...fails(FAILURES), ['ask', 1]], { state: 'half-open', tryingSince: 1 }],
    [
      'opens for twice as long when that fails',
      [...fails(FAILURES), ['ask', 1], ['fail', 2]],
      { state: 'open', until: 4 },
    ],
    ['closes when that succeeds', [...fails(FAILURES), ['ask', 1], ['ok', 2]], { ...CLOSED, epoch: 1 }],
    [
      'closes on a beginning, and opens again when it is not kept',
      [...fails(FAILURES), ['ask', 1], ['begin', 2], ['fail', 2]],
      { state: 'open', openings: 2, until: 4 },
    ],
    [
      'gives another a try when one learnt nothing',
      [...fails(FAILURES), ['ask', 1], ['undecided', 2]],
      { state: 'half-open', tryingSince: undefined },
    ],
    [
      'is not moved by what began before it opened',
      [...fails(FAILURES), ['fail', 0.5], ['ok', 0.5]],
      { state: 'open', until: 1 },
    ],
  ])('%s', (_, acts, expected) => {
    expect(run(acts)).toMatchObject(expected);
  });

  it('doubles its pauses up to half a minute', () => {
    let circuit = run(fails(FAILURES));
    const pauses: number[] = [];
    for (let i = 0; i < 8; i++) {
      const { until } = circuit;
      circuit = failed(admit(circuit, until).circuit, circuit.epoch, until);
      pauses.push(circuit.until - until);
    }
    expect(pauses).toEqual([2, 4, 8, 16, 30, 30, 30, 30]);
  });

  it('lets one request try it, not two', () => {
    const { circuit } = admit(run(fails(FAILURES)), 5);
    expect(admits(circuit, 5)).toBe(false);
    expect(admits(undecided(circuit, circuit.epoch), 5)).toBe(true);
    expect([waitOf(circuit, 5), waitOf(circuit, 8)]).toEqual([5, 2]);
    // One that says nothing for long does not keep others from trying.
    expect(admits(circuit, 10)).toBe(true);
  });

  it('is moved by nothing that began before it was opened', () => {
    const { circuit } = admit(run(fails(FAILURES)), 5);
    for (const after of [failed(circuit, 0, 6), succeeded(circuit, 0), answering(circuit, 0), undecided(circuit, 0)])
      expect(after).toBe(circuit);
    const closed = succeeded(circuit, circuit.epoch);
    expect(failed(closed, 0, 6)).toBe(closed);
  });

  it('rests as long as was asked, the longest counts', () => {
    expect(resting(resting(CLOSED, 10, 0), 2, 1).restsUntil).toBe(10);
  });
});

describe('the order', () => {
  const candidate = (name: string, tier: number, weight: number, circuit: Partial<Circuit> = {}) => ({
    name,
    tier,
    weight,
    circuit: { ...CLOSED, ...circuit },
  });
  const names = (list: { name: string }[]) => list.map(({ name }) => name).join('');

  it('is by tier, with those last that rest and without those that are open', () => {
    const all = [
      candidate('d', 2, 1),
      candidate('a', 1, 1, { restsUntil: 99 }),
      candidate('b', 1, 1),
      candidate('c', 1, 1, { state: 'open', until: 99 }),
    ];
    expect(names(order(all, 10, () => 0.5))).toBe('bda');
    expect(nextChance(all, 10)).toBe(1);
    expect(nextChance([all[3]!], 10)).toBe(60);
    expect(nextChance([all[3]!], 95.5)).toBe(4);
  });

  it('is by weight within a tier', () => {
    let state = 1;
    const random = () => (state = (state * 48271) % 2147483647) / 2147483647;
    const first = { a: 0, b: 0 };
    for (let i = 0; i < 4000; i++)
      first[order([candidate('a', 1, 3), candidate('b', 1, 1)], 0, random)[0]!.name as 'a' | 'b']++;
    expect(first.a / 4000).toBeGreaterThan(0.7);
    expect(first.a / 4000).toBeLessThan(0.8);
  });
});

describe('a retry', () => {
  it.each([
    [1, -Infinity, 0.1],
    [2, 0, 0.2],
    [9, 0, 2],
    [1, 3, 3],
    [1, 5.1, undefined],
  ])('%d tries, %d s to rest: after %d s', (tries, rest, pause) => {
    expect(retryPause(tries, rest, () => 1)).toBe(pause);
  });
});

describe('what an upstream says of a failure', () => {
  const fault = (status: number, body: unknown, retryAfter?: string) =>
    faultOf('gpu', { status, body: typeof body === 'string' ? body : JSON.stringify(body), retryAfter }, ['my-key'], 0);

  it.each<[number, unknown, string, Partial<{ status: number; errorType: string; message: string }>]>([
    [
      400,
      { error: { message: 'bad', param: 'n', code: 400 } },
      'rejected',
      { status: 400, errorType: 'invalid_request', message: 'bad' },
    ],
    [
      400,
      { object: 'error', message: 'too long', code: 'context_length_exceeded' },
      'rejected',
      { errorType: 'context_length_exceeded' },
    ],
    [
      404,
      { error: { message: 'no such model', code: 'weird' } },
      'rejected',
      { status: 404, errorType: 'model_not_found' },
    ],
    [422, { detail: 'wrong' }, 'rejected', { status: 422, message: 'wrong' }],
    [418, '', 'rejected', { status: 418, message: 'The upstream refused the request (status 418).' }],
    [
      401,
      { error: { message: 'Incorrect API key: sk-abcdef' } },
      'refused',
      { status: 502, errorType: 'upstream_refused' },
    ],
    [402, { error: { message: 'Insufficient Balance' } }, 'refused', { status: 502 }],
    [429, { error: 'slow down' }, 'busy', { status: 429, errorType: 'upstream_busy' }],
    [503, '<html>', 'busy', { status: 503, message: 'The upstream "gpu" is busy.' }],
    [
      500,
      { error: { message: 'CUDA error' } },
      'failed',
      { status: 502, errorType: 'upstream_failed', message: 'The upstream "gpu" failed (status 500): CUDA error' },
    ],
    [504, 'nope', 'failed', { status: 504 }],
    [302, '', 'invalid', { status: 502, errorType: 'upstream_invalid' }],
  ])('%d %j is "%s"', (status, body, kind, expected) => {
    const found = fault(status, body);
    expect(found.kind).toBe(kind);
    expect(found.toApiError()).toMatchObject(expected);
  });

  it('never holds a key', () => {
    const told = fault(400, {
      error: { message: 'key my-key, sk-abc*****xyz, Authorization: Bearer eyJhbGci.x', param: 'my-key' },
    });
    expect(JSON.stringify(told.toApiError().body())).not.toMatch(/my-key|sk-abc|eyJ/);
    expect(told.message).toContain('[secret]');
  });

  it('is of bounded length, and whole characters', () => {
    expect(clean(`a\u0000\n${'🐳'.repeat(5000)}`, []).length).toBeLessThanOrEqual(2000);
    expect(clean('x'.repeat(1999) + '🐳', []).isWellFormed()).toBe(true);
    expect(readError('[]', [])).toEqual({ message: '', param: undefined, code: undefined });
    expect(readError('null', []).message).toBe('');
  });

  it.each([
    [undefined, undefined],
    ['', undefined],
    ['soon', undefined],
    ['2', 2],
    ['1.5', 1.5],
    ['-1', undefined],
    ['Thu, 01 Jan 1970 00:00:05 GMT', 4],
    ['99999999', 86_400],
  ])('Retry-After: %s', (header, seconds) => {
    expect(secondsOf(header, 1000)).toBe(seconds);
  });
});

describe('the body for an upstream', () => {
  const forward = { body: { model: 'r1', seed: 1, stream: true }, stream: true };

  it('asks for usage where the client did not, under the upstream’s own name of the model', () => {
    const { body, hideUsage } = bodyFor({ model: 'deepseek-reasoner', usage: true }, forward, undefined);
    expect(JSON.parse(body)).toEqual({
      model: 'deepseek-reasoner',
      seed: 1,
      stream: true,
      stream_options: { include_usage: true },
    });
    expect(hideUsage).toBe(true);
  });

  it.each([
    [
      { model: undefined, usage: true },
      { ...forward, body: { ...forward.body, stream_options: { include_usage: true } } },
      false,
    ],
    [{ model: undefined, usage: false }, forward, false],
    [{ model: undefined, usage: true }, { body: { model: 'r1' }, stream: false }, false],
  ])('leaves it as it is otherwise', (upstream, given, hideUsage) => {
    const made = bodyFor(upstream, given, undefined);
    expect(JSON.parse(made.body)).toEqual(given.body);
    expect(made.hideUsage).toBe(hideUsage);
  });
});

import { describe, expect, it } from 'vitest';
import { Patience } from './patience.js';

const never = () => new Promise<never>(() => undefined);
/** Whether it settles without any time passing. */
const atOnce = (promise: Promise<void>) =>
  Promise.race([promise.then(() => true), new Promise<boolean>((done) => setImmediate(() => done(false)))]);

describe('patience', () => {
  it('waits for what is done in time, and for what fails', async () => {
    const patience = new Patience(60_000);
    const work = Promise.withResolvers<void>();
    const waiting = patience.for(work.promise);
    expect(await atOnce(waiting)).toBe(false);
    work.resolve();
    await waiting;
    await patience.for(Promise.reject(new Error('no')));
  });

  it('is lost with what hangs, for all that come after it, and found again', async () => {
    const patience = new Patience(20);
    await patience.for(never());
    expect(await atOnce(patience.for(never()))).toBe(true);
    expect(await atOnce(patience.for(Promise.reject(new Error('no'))))).toBe(true);
    expect(await atOnce(patience.for(never()))).toBe(true);
    await patience.for(Promise.resolve());
    await new Promise((done) => setImmediate(done));
    expect(await atOnce(patience.for(never()))).toBe(false);
  });
});

import type { Token } from 'node-llama-cpp';
import { describe, expect, it } from 'vitest';
import type { NativeContext } from './binding.js';
import type { Job } from './job.js';
import type { TokenChooser } from './sampling.js';
import { Slots } from './slots.js';

const native = {
  disposeSequence: () => undefined,
  getSequenceKvCacheMinPosition: () => 0,
  removeTokenCellsFromSequence: () => true,
} as unknown as NativeContext;
const chooser = { dispose: () => undefined } as unknown as TokenChooser;

/** Sixteen sequences, and answers that come and go in them as a lane has them. */
class Room {
  readonly slots = new Slots(native, 16, 64, 4);
  reused = 0;
  private next = 0;

  fresh(tokens: number): Token[] {
    return Array.from({ length: tokens }, () => this.next++ as Token);
  }

  /** An answer begins: its prompt is read. */
  begin(prompt: readonly Token[]): number {
    const job = { id: this.next, prompt, reproducible: false, onPrefilled: () => undefined } as unknown as Job;
    const at = this.slots.place(job)!;
    this.slots.start(job, chooser, at);
    this.slots.makeReady((tokens) => (this.reused += tokens));
    this.say(at.slot);
    return at.slot;
  }

  /** Whatever of its text is not there yet is computed. */
  say(index: number, more: readonly Token[] = []): void {
    const { running, cells } = this.slots.all[index]!;
    running!.tokens.push(...more);
    if (running!.tokens.length > cells.length) this.slots.advance(index, running!.tokens.length - cells.length, false);
  }

  end(index: number): void {
    this.slots.end(this.slots.all[index]!, undefined);
  }

  answer(prompt: readonly Token[], tokens: number): Token[] {
    const index = this.begin(prompt);
    this.say(index, this.fresh(tokens));
    this.end(index);
    return [...this.slots.all[index]!.cells];
  }

  /** In how many stretches those lie who are answered. */
  get stretches(): number {
    const busy = this.slots.all.map(({ running }) => running !== undefined);
    return busy.filter((is, i) => is && busy[i - 1] !== true).length;
  }
}

describe('the slots of answers', () => {
  it('lie side by side where nothing is asked for again, however many come and go after lonely ones', () => {
    const room = new Room();
    for (let i = 0; i < 20; i++) room.answer(room.fresh(69), 64);
    const busy = Array.from({ length: 8 }, () => room.begin(room.fresh(69)));
    let apart = 0;
    for (let i = 0; i < 300; i++) {
      const [index] = busy.splice((i * 5) % busy.length, 1);
      room.say(index!, room.fresh(64));
      room.end(index!);
      busy.push(room.begin(room.fresh(69)));
      if (room.stretches > 1) apart++;
    }
    expect(apart).toBeLessThan(6);
  });

  it('keep what conversations hold, whose next turns find it', () => {
    const room = new Room();
    const texts = Array.from({ length: 12 }, () => room.answer(room.fresh(60), 60));
    room.reused = 0;
    let held = 0;
    for (let i = 0; i < 120; i++) {
      const who = (i * 7) % texts.length;
      held += texts[who]!.length;
      texts[who] = room.answer([...texts[who]!, ...room.fresh(5)], 5);
    }
    expect(room.reused).toBe(held);
  });
});

import { WEIGHTS, type Script } from './scripts.js';

/** A piece of a script that occurs only once in all of them, so that the token alone says where we are. */
export interface State {
  bytes: Uint8Array;
  language: Script['language'];
}

/** A step to another token, with its probability among those of its language. */
export interface Step {
  to: number | 'think-end' | 'end';
  probability: number;
}

export interface Automaton {
  states: State[];
  /** Where reasoning begins, and where the answer does after `</think>`: states with their probabilities. */
  begin: { state: number; probability: number }[];
  answer: { state: number; probability: number }[];
  /** By state, what follows it. */
  next: Step[][];
}

/**
 * Cuts scripts into states, and says what follows what. A sentence's alternatives branch; after each of them come all
 * alternatives of the following sentence.
 */
export function compile(scripts: readonly Script[]): Automaton {
  const machine: Automaton = { states: [], begin: [], answer: [], next: [] };
  const used = new Set<string>(['\n']);
  for (const { language, reasoning, answer } of scripts) {
    const add = (rows: readonly (readonly string[])[], prefix: string, suffix: string, last: Step['to']) => {
      const heads: { state: number; probability: number }[][] = [];
      let tails: number[] = [];
      rows.forEach((alternatives, row) => {
        const weights = WEIGHTS[alternatives.length - 1]!;
        const paths = alternatives.map((text) => {
          const whole = (row === 0 ? prefix : '') + text + (row === rows.length - 1 ? suffix : '');
          return cut(whole, language, used).map((bytes) => {
            machine.next.push([]);
            return machine.states.push({ bytes, language }) - 1;
          });
        });
        for (const path of paths)
          path.slice(1).forEach((state, i) => machine.next[path[i]!]!.push({ to: state, probability: 1 }));
        const head = paths.map((path, i) => ({ state: path[0]!, probability: weights[i]! }));
        for (const tail of tails)
          for (const { state, probability } of head) machine.next[tail]!.push({ to: state, probability });
        heads.push(head);
        tails = paths.map((path) => path.at(-1)!);
      });
      for (const tail of tails) machine.next[tail]!.push({ to: last, probability: 1 });
      return heads[0]!;
    };
    machine.begin.push(...add(reasoning, '', '\n', 'think-end'));
    machine.answer.push(...add(answer, '\n\n', '', 'end'));
  }
  return machine;
}

/**
 * Cuts a sentence into the shortest pieces that no other place holds. English is cut between words. Chinese is cut
 * between characters, and every third time inside one, as byte-level vocabularies do: whoever streams must join them.
 */
function cut(text: string, language: Script['language'], used: Set<string>): Uint8Array[] {
  const bytes = Buffer.from(text, 'utf8');
  const key = (from: number, to: number) => bytes.toString('latin1', from, to);
  const ends: number[] = [];
  const own = () => ends.map((end, i) => key(ends[i - 1] ?? 0, end));
  const taken = (piece: string) => used.has(piece) || own().includes(piece);
  let at = 0;
  for (const atom of language === 'en' ? text.split(/(?= )/) : text) {
    const length = Buffer.byteLength(atom);
    const end = at + (language === 'zh' && ends.length % 3 === 2 && length === 3 ? 1 : length);
    at += length;
    const from = ends.at(-1) ?? 0;
    // A Chinese piece holds more than one character.
    if (language === 'zh' && end - from < 4) continue;
    if (!taken(key(from, end)) && at < bytes.length) ends.push(end);
  }
  // What is left must be unique as well: it takes in the pieces before it until it is.
  while (taken(key(ends.at(-1) ?? 0, bytes.length))) {
    if (ends.pop() === undefined) throw new Error(`"${text}" occurs twice: change its words.`);
  }
  const pieces = [...ends, bytes.length].map((end, i) => bytes.subarray(ends[i - 1] ?? 0, end));
  for (const piece of pieces) used.add(piece.toString('latin1'));
  return pieces;
}

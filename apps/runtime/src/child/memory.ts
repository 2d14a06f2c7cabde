/** Bytes on the processor's side and on the GPU's. */
export interface Bytes {
  ram: number;
  vram: number;
}

export interface MemoryQuestion {
  free: Bytes;
  /** What the weights take; nothing where they are loaded already and `free` is what is left. */
  model: Bytes;
  /** What computing takes, however many sequences there are. */
  fixed: Bytes;
  /** One sequence of `contextSize` tokens. */
  sequence: Bytes;
  contextSize: number;
  /** Sequences that are asked for; 0 is as many as fit, at most `most`. */
  wanted: number;
  most: number;
  /** Share of what is left that sequences may take where it is ours to choose. */
  share: number;
}

const GIB = 2 ** 30;
const CONTEXT_STEP = 256;

/**
 * How many sequences memory takes, before it is asked for: what is too much ends processes, later or at once.
 * @returns a sentence that says what would fit, where it is too much
 */
export function fitSequences(question: MemoryQuestion): number | string {
  const { free, model, fixed, sequence, wanted, most, share } = question;
  for (const [side, name] of SIDES)
    if (model[side] + fixed[side] > free[side])
      return (
        `it needs ${gib(model[side] + fixed[side])} of ${name}, and ${gib(free[side])} are free. ` +
        `A model of up to ${gib(Math.max(0, free[side] - fixed[side]))} would fit`
      );
  const left = (side: keyof Bytes) => free[side] - model[side] - fixed[side];
  const fits = (part: number) =>
    Math.min(
      ...SIDES.map(([side]) => (sequence[side] > 0 ? Math.floor((part * left(side)) / sequence[side]) : Infinity)),
    );
  if (wanted === 0 && fits(1) >= 1) return Math.max(1, Math.min(most, fits(share)));
  if (wanted > 0 && fits(1) >= wanted) return wanted;
  return tooMany(question, fits(1), left);
}

function tooMany(question: MemoryQuestion, fits: number, left: (side: keyof Bytes) => number): string {
  const { sequence, contextSize } = question;
  const count = Math.max(1, question.wanted);
  const [side, name] = SIDES.find(([s]) => sequence[s] * count > left(s))!;
  const tokens = Math.floor(((left(side) / sequence[side]) * contextSize) / count / CONTEXT_STEP) * CONTEXT_STEP;
  const ways = [
    ...(fits >= 1 && count > 1 ? [`SLOTS=${fits}`] : []),
    ...(tokens >= CONTEXT_STEP ? [`CONTEXT_SIZE=${tokens}`] : []),
  ];
  const conversations = count === 1 ? 'one context' : `${count} contexts`;
  return (
    `${conversations} of ${contextSize} tokens ${count === 1 ? 'needs' : 'need'} ${gib(sequence[side] * count)} of ${name}, and ` +
    `${gib(Math.max(0, left(side)))} are left beside the model. ` +
    (ways.length > 0 ? `${ways.join(' or ')} would fit` : `No context of ${CONTEXT_STEP} tokens would fit`)
  );
}

const SIDES = [
  ['ram', 'memory'],
  ['vram', 'GPU memory'],
] as const;

const gib = (bytes: number): string => `${(bytes / GIB).toFixed(bytes < GIB ? 2 : 1)} GiB`;

import type { GgufTensor } from './gguf.js';
import type { TensorType } from './tensor-types.js';

/**
 * A transformer that is a finite automaton. Its one layer's attention looks at all tokens alike (queries and keys are
 * zero) and adds up one thing only, the language; its feed-forward part adds nothing. So what reaches the output is
 * the last token's code beside the language, and the output matrix holds the table "after this token, those".
 */
export const WIDTH = 256;
export const HEADS = 4;
export const FEED_FORWARD = 32;
export const NORM_EPSILON = 1e-6;
const HEAD_WIDTH = WIDTH / HEADS;

/** Coordinates that no code uses: what language a token is in, and what the layer found out about all of them. */
const LANGUAGE_IN = WIDTH - 2;
const LANGUAGE_OUT = WIDTH - 1;
const CODE_NORM = 16;
/** A wanted step's logit; the others stay within a sixteenth of it. */
const WANTED = 100;
/** How the mean language turns into a choice: gain of the layer, weight in the output, and where the scales tip. */
const LANGUAGE_GAIN = 2;
const LANGUAGE_WEIGHT = 2;
const LANGUAGE_THRESHOLD = 3;

/** The number of different codes. */
export const CODES = 2 * WIDTH - 4;

/**
 * The n-th code: first single coordinates, then rows of a Hadamard matrix. Two codes are orthogonal, or (one of each
 * sort) meet at a sixteenth of their length, so that 508 states find room in 256 coordinates.
 */
export function code(n: number): Float32Array {
  const vector = new Float32Array(WIDTH);
  if (n >= CODES) throw new Error(`There are only ${CODES} codes. Shorten the scripts or widen the model.`);
  if (n < LANGUAGE_IN) vector[n] = CODE_NORM;
  else for (let i = 0; i < LANGUAGE_IN; i++) vector[i] = parity(i & (n - LANGUAGE_IN)) ? -1 : 1;
  return vector;
}

function parity(bits: number): boolean {
  let odd = false;
  for (let rest = bits; rest > 0; rest >>= 1) odd = odd !== ((rest & 1) === 1);
  return odd;
}

export interface TokenPlan {
  /** Tokens of the same code are followed by the same. */
  code: number;
  /** 1 for Chinese, a little below 0 for Latin letters, 0 for neither. */
  language: number;
}

export interface StepPlan {
  /** The code of the tokens after which … */
  from: number;
  /** … this token follows, */
  to: number;
  probability: number;
  /** in conversations of this language only, if one is given. */
  onlyIn?: 'en' | 'zh';
}

/** All tensors of the model, in llama.cpp's names for the architecture `qwen2`. */
export function buildTensors(tokens: readonly TokenPlan[], steps: readonly StepPlan[]): GgufTensor[] {
  const matrix = (name: string, columns: number, rows: number, type: TensorType, fill?: (at: Setter) => void) => {
    const data = new Float32Array(columns * rows);
    fill?.((row, column, value) => (data[row * columns + column] = value));
    return { name, shape: [columns, rows], type, data };
  };
  const vector = (name: string, length: number, value: number) => ({
    name,
    shape: [length],
    type: 'F32' as const,
    data: new Float32Array(length).fill(value),
  });
  const embedding = matrix('token_embd.weight', WIDTH, tokens.length, 'Q8_0');
  tokens.forEach((token, row) => {
    embedding.data.set(code(token.code), row * WIDTH);
    embedding.data[row * WIDTH + LANGUAGE_IN] = token.language * CODE_NORM;
  });
  return [
    embedding,
    vector('output_norm.weight', WIDTH, 1),
    outputMatrix(tokens.length, steps),
    vector('blk.0.attn_norm.weight', WIDTH, 1),
    matrix('blk.0.attn_q.weight', WIDTH, WIDTH, 'Q8_0'),
    vector('blk.0.attn_q.bias', WIDTH, 0),
    matrix('blk.0.attn_k.weight', WIDTH, HEAD_WIDTH, 'Q8_0'),
    vector('blk.0.attn_k.bias', HEAD_WIDTH, 0),
    matrix('blk.0.attn_v.weight', WIDTH, HEAD_WIDTH, 'Q8_0', (set) => set(0, LANGUAGE_IN, 1)),
    vector('blk.0.attn_v.bias', HEAD_WIDTH, 0),
    matrix('blk.0.attn_output.weight', WIDTH, WIDTH, 'Q8_0', (set) => set(LANGUAGE_OUT, 0, LANGUAGE_GAIN)),
    vector('blk.0.ffn_norm.weight', WIDTH, 1),
    matrix('blk.0.ffn_gate.weight', WIDTH, FEED_FORWARD, 'Q8_0'),
    matrix('blk.0.ffn_up.weight', WIDTH, FEED_FORWARD, 'Q8_0'),
    matrix('blk.0.ffn_down.weight', FEED_FORWARD, WIDTH, 'Q8_0'),
  ];
}

type Setter = (row: number, column: number, value: number) => void;

function outputMatrix(tokens: number, steps: readonly StepPlan[]): GgufTensor {
  const data = new Float32Array(WIDTH * tokens);
  for (const { from, to, probability, onlyIn } of steps) {
    const row = data.subarray(to * WIDTH, (to + 1) * WIDTH);
    const threshold = onlyIn === 'zh' ? LANGUAGE_WEIGHT * LANGUAGE_THRESHOLD : 0;
    const logit = WANTED + Math.log(probability) - threshold;
    code(from).forEach((x, i) => (row[i] = row[i]! + (logit / CODE_NORM ** 2) * x));
    if (onlyIn === 'zh') row[LANGUAGE_OUT] = LANGUAGE_WEIGHT;
  }
  return { name: 'output.weight', shape: [WIDTH, tokens], type: 'F16', data };
}

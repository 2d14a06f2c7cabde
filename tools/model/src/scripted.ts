import { compile } from './automaton.js';
import { byteTokens, learnMerges, spell, unspell } from './bpe.js';
import { writeGguf, type GgufValue } from './gguf.js';
import { QUESTIONS, SCRIPTS } from './scripts.js';
import { buildTensors, FEED_FORWARD, HEADS, NORM_EPSILON, WIDTH, type StepPlan, type TokenPlan } from './weights.js';

/** The name that the model goes by; the file is called so too. */
export const SCRIPTED_NAME = 'vigil-scripted-r1';
const CONTEXT_LENGTH = 4096;
const MERGES = 320;

/** The tokens of DeepSeek-R1's template that a model must have. */
export const SPECIAL = {
  begin: '<｜begin▁of▁sentence｜>',
  end: '<｜end▁of▁sentence｜>',
  user: '<｜User｜>',
  assistant: '<｜Assistant｜>',
  thinkBegin: '<think>',
  thinkEnd: '</think>',
} as const;

/** llama.cpp's kinds of token. */
export const NORMAL = 1;
export const CONTROL = 3;
export const USER_DEFINED = 4;

/** The template of DeepSeek-R1-Distill, without tools: it primes `<think>` and drops the reasoning of earlier turns. */
export const CHAT_TEMPLATE = `{% set ns = namespace(system='') %}{% for m in messages %}{% if m.role == 'system' %}{% set ns.system = m.content %}{% endif %}{% endfor %}{{ bos_token }}{{ ns.system }}{% for m in messages %}{% if m.role == 'user' %}{{ '<｜User｜>' + m.content }}{% elif m.role == 'assistant' %}{{ '<｜Assistant｜>' + m.content.split('</think>')[-1] + '<｜end▁of▁sentence｜>' }}{% endif %}{% endfor %}{% if add_generation_prompt %}{{ '<｜Assistant｜><think>\\n' }}{% endif %}`;

/** How much a token says about the language: Chinese begins with the bytes E3 to E9. */
function languageOf(bytes: Uint8Array): number {
  if (bytes.some((b) => b >= 0xe3 && b <= 0xe9)) return 1;
  return bytes.some((b) => /[A-Za-z]/.test(String.fromCharCode(b))) ? -0.25 : 0;
}

/**
 * The bundled model: DeepSeek-R1-Distill-Qwen's architecture and tokenizer form, with weights that recite a script.
 * @returns a GGUF file; the same bytes each time
 */
export function buildScriptedModel(): Uint8Array {
  const machine = compile(SCRIPTS);
  const everything = SCRIPTS.flatMap((s) => [...s.reasoning, ...s.answer]).flat();
  const merges = learnMerges([QUESTIONS, ...everything].join('\n'), MERGES);

  const vocabulary = new Map<string, number>();
  const add = (token: string): number => {
    const known = vocabulary.get(token);
    if (known !== undefined) return known;
    vocabulary.set(token, vocabulary.size);
    return vocabulary.size - 1;
  };
  for (const token of [...byteTokens(), ...merges.map((pair) => pair.join(''))]) add(token);
  const stateTokens = machine.states.map(({ bytes }) => add(spell(bytes)));
  const ids = Object.fromEntries(Object.entries(SPECIAL).map(([name, token]) => [name, add(token)])) as Record<
    keyof typeof SPECIAL,
    number
  >;

  // Code 0 is that of every token that no script holds: after it, whatever it is, the script begins.
  const assistant = 1;
  const thinkBegin = 2;
  const thinkEnd = 3;
  const codeOf = (state: number) => 4 + state;
  const tokens: TokenPlan[] = Array.from(vocabulary.keys(), (token, id) => ({
    code: 0,
    language: id > ids.begin - 1 ? 0 : languageOf(unspell(token)),
  }));
  tokens[ids.assistant]!.code = assistant;
  tokens[ids.thinkBegin]!.code = thinkBegin;
  tokens[ids.thinkEnd]!.code = thinkEnd;
  machine.states.forEach((_, state) => (tokens[stateTokens[state]!]!.code = codeOf(state)));

  const newline = vocabulary.get(spell(Buffer.from('\n')))!;
  const steps: StepPlan[] = [
    { from: assistant, to: ids.thinkBegin, probability: 1 },
    { from: thinkBegin, to: newline, probability: 1 },
  ];
  const branch = (from: number, heads: readonly { state: number; probability: number }[]) => {
    for (const { state, probability } of heads)
      steps.push({ from, to: stateTokens[state]!, probability, onlyIn: machine.states[state]!.language });
  };
  branch(0, machine.begin);
  branch(thinkEnd, machine.answer);
  machine.next.forEach((row, state) => {
    for (const { to, probability } of row) {
      const token = to === 'think-end' ? ids.thinkEnd : to === 'end' ? ids.end : stateTokens[to]!;
      steps.push({ from: codeOf(state), to: token, probability });
    }
  });

  const firstSpecial = ids.begin;
  const kind = (id: number) =>
    id < firstSpecial ? NORMAL : id === ids.thinkBegin || id === ids.thinkEnd ? USER_DEFINED : CONTROL;
  const metadata: Record<string, GgufValue> = {
    'general.architecture': { type: 'string', value: 'qwen2' },
    'general.name': { type: 'string', value: SCRIPTED_NAME },
    'general.description': {
      type: 'string',
      value: 'A tiny model that recites set sentences in the form of DeepSeek-R1; made by tools/model of Vigil.',
    },
    'general.license': { type: 'string', value: 'apache-2.0' },
    'general.file_type': { type: 'u32', value: 7 },
    'qwen2.block_count': { type: 'u32', value: 1 },
    'qwen2.context_length': { type: 'u32', value: CONTEXT_LENGTH },
    'qwen2.embedding_length': { type: 'u32', value: WIDTH },
    'qwen2.feed_forward_length': { type: 'u32', value: FEED_FORWARD },
    'qwen2.attention.head_count': { type: 'u32', value: HEADS },
    'qwen2.attention.head_count_kv': { type: 'u32', value: 1 },
    'qwen2.attention.layer_norm_rms_epsilon': { type: 'f32', value: NORM_EPSILON },
    'qwen2.rope.freq_base': { type: 'f32', value: 10_000 },
    'tokenizer.ggml.model': { type: 'string', value: 'gpt2' },
    'tokenizer.ggml.pre': { type: 'string', value: 'deepseek-r1-qwen' },
    'tokenizer.ggml.tokens': { type: 'strings', value: [...vocabulary.keys()] },
    'tokenizer.ggml.token_type': { type: 'i32s', value: Array.from(vocabulary.keys(), (_, id) => kind(id)) },
    'tokenizer.ggml.merges': { type: 'strings', value: merges.map((pair) => pair.join(' ')) },
    'tokenizer.ggml.bos_token_id': { type: 'u32', value: ids.begin },
    'tokenizer.ggml.eos_token_id': { type: 'u32', value: ids.end },
    'tokenizer.ggml.padding_token_id': { type: 'u32', value: ids.end },
    'tokenizer.ggml.add_bos_token': { type: 'bool', value: true },
    'tokenizer.ggml.add_eos_token': { type: 'bool', value: false },
    'tokenizer.chat_template': { type: 'string', value: CHAT_TEMPLATE },
  };
  return writeGguf({ metadata, tensors: buildTensors(tokens, steps) });
}

/** How a vocabulary writes its tokens, as node-llama-cpp names it. */
export type Writing = 'bpe' | 'spm' | (string & {});

/**
 * GPT-2's alphabet (`bytes_to_unicode` of openai/gpt-2's encoder.py): bytes that print stand for themselves, the others
 * for the characters from U+0100 on.
 */
const BYTE_OF = new Map<string, number>();
for (let byte = 0, moved = 256; byte < 256; byte++) {
  const prints = (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || byte >= 174;
  BYTE_OF.set(String.fromCodePoint(prints ? byte : moved++), byte);
}

/**
 * The bytes that a token stands for: half a character too, which its text can not say.
 * @param written as the vocabulary has it
 * @param text as it is decoded, for what the vocabulary writes as it is
 */
export function tokenBytes(written: string, writing: Writing, text: string): number[] {
  if (writing === 'bpe') {
    const bytes = Array.from(written, (character) => BYTE_OF.get(character));
    if (bytes.every((byte) => byte !== undefined)) return bytes;
  }
  const byte = writing === 'spm' ? /^<0x([0-9A-F]{2})>$/.exec(written) : null;
  return byte ? [Number.parseInt(byte[1]!, 16)] : [...Buffer.from(text, 'utf8')];
}

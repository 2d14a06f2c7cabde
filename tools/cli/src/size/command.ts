import { parseOptions } from '../options.js';
import { printSize, sizeReport } from './report.js';
import { resolveSubject } from './subject.js';

export const SIZE_USAGE = `vigil size: what memory a model needs, and which GPUs hold it

  npx vigil size --model deepseek-r1-distill-qwen-7b --context 8192 --concurrency 32
  npx vigil size --gguf FILE

  --model NAME         a model of the R1 family: deepseek-r1-distill-qwen-7b, 7b, deepseek-r1:70b, deepseek-r1 …
  --gguf FILE          a GGUF file (its first part, where it has several)
  --quantization NAME  bf16, fp8, q8_0, q6_k, q5_k_m, q4_k_m (unless set), q3_k_m, q2_k, awq, gptq
  --context TOKENS     prompt and answer together (8192)
  --concurrency N      conversations at once (8)
  --kv-cache TYPE      f16, q8_0, fp8, q4_0 (f16)
  --json               the same as JSON; sizes in bytes

Exit codes: 0 an answer, whatever fits; 2 wrong usage.`;

/** @returns the exit code */
export async function runSize(args: readonly string[], print: (text: string) => void): Promise<number> {
  const options = parseOptions(args, SIZE_USAGE, {
    model: 'text',
    gguf: 'file',
    quantization: 'text',
    context: 'count',
    concurrency: 'count',
    'kv-cache': 'text',
    json: 'flag',
  });
  const named = await resolveSubject({ ...options, cache: options['kv-cache'] });
  const report = sizeReport(named);
  print(options.json ? JSON.stringify(report, null, 2) : printSize(named, report));
  return 0;
}

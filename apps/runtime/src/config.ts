import { bytes, commonConfig, duration, flag, httpUrl, integer, LONGEST_TIMER, oneOf, port } from '@vigil/service';
import { z } from 'zod';

/** As a browser writes it, as that is what it is compared with. */
const isOrigin = (text: string): boolean => URL.canParse(text) && new URL(text).origin === text;

/** What the runtime reads from its environment. */
export const configSchema = z.object({
  ...commonConfig.shape,
  RUNTIME_PORT: port(8000).describe("Port of the runtime's OpenAI API"),
  ENGINE: oneOf(['llama', 'upstream'], 'llama').describe(
    'What answers: llama (llama.cpp, in a process of its own) or upstream (other servers, see UPSTREAMS)',
  ),
  UPSTREAMS: z
    .string()
    .optional()
    .describe(
      'Servers that answer where ENGINE=upstream: name=URL, parted by spaces, each with options after it, parted by ";": ' +
        'weight=2 (its share), tier=2 (asked once those of tier 1 can not answer), key=NAME (the variable that holds its key), ' +
        'model=NAME (what it calls the model), kind=vllm (or sglang, llama-server, ollama, deepseek, siliconflow, openai, other; ' +
        'else found out), usage=never (it does not take stream_options). ' +
        'Such as gpu=http://10.0.0.5:8000/v1;weight=2 backup=https://api.deepseek.com;tier=2;key=DEEPSEEK_API_KEY;model=deepseek-reasoner. ' +
        'With MODEL_NAME all of them serve under that one name, else each under the names that it lists',
    ),
  UPSTREAM_CONNECT_TIMEOUT: duration('5s', 0.01, LONGEST_TIMER).describe(
    'How long a connection to an upstream may take',
  ),
  UPSTREAM_STALL: duration('5m', 0.01, LONGEST_TIMER).describe(
    'An upstream that streams, but sends nothing for so long is given up',
  ),
  UPSTREAM_ANSWER_TIMEOUT: duration('30m', 0.01, LONGEST_TIMER).describe(
    'How long an upstream may take for an answer that is not streamed, and be silent but for signs of life in one that is',
  ),
  UPSTREAM_ANSWER_MAX: bytes('32MiB').describe('Greatest answer of an upstream that is not streamed'),
  UPSTREAM_RETRIES: integer(2, 0, 10).describe(
    'Further tries of a request, on other upstreams first, as long as nothing was answered',
  ),
  MODEL: z
    .string()
    .optional()
    .describe(
      'A GGUF file, or hf:user/repository/file.gguf, or hf:user/repository:quantisation; else the bundled model',
    ),
  MODEL_NAME: z
    .string()
    .max(200)
    .optional()
    .describe("The model's name in the API and in every signal; the file's name unless set"),
  HF_ENDPOINT: httpUrl().default('https://huggingface.co').describe('Where hf: models are fetched from'),
  HF_TOKEN: z.string().optional().describe('Opens hf: models that are not public'),
  CONTEXT_SIZE: integer(4096, 16, 4_194_304).describe(
    'Tokens that prompt and answer may have together; never more than the model was trained on',
  ),
  SLOTS: integer(0, 0, 256).describe(
    'Requests that memory is kept for; 0 is as many as find room, at most BATCH_MAX (and 32 on a processor)',
  ),
  BATCH_MIN: integer(8, 1, 256).describe('Requests that are answered at once at the least, and to begin with'),
  BATCH_MAX: integer(128, 1, 256).describe('Requests that are answered at once at the most'),
  TARGET_LATENCY_MS: integer(200, 1, 60_000).describe(
    'Milliseconds that one step of all answers is to take: fewer are answered at once where steps take longer',
  ),
  QUEUE_MAX: integer(64, 0, 100_000).describe('Requests that may wait for a slot; more are refused with 429'),
  QUEUE_TIMEOUT: duration('0s', 0, LONGEST_TIMER).describe(
    'How long a request may wait for a slot; 0s is as long as it takes',
  ),
  REQUEST_TIMEOUT: duration('0s', 0, LONGEST_TIMER).describe(
    'How long an answer may take, waiting included; 0s is as long as it takes',
  ),
  THREADS: integer(0, 0, 1024).describe('Processor threads of the engine; 0 chooses by the model and the machine'),
  LLAMA_GPU: oneOf(['auto', 'cuda', 'vulkan', 'metal', 'none'], 'auto').describe('What llama.cpp computes on'),
  GPU_LAYERS: z
    .string()
    .default('auto')
    .refine((v) => v === 'auto' || /^\d{1,4}$/.test(v), 'auto or a whole number is expected')
    .transform((v) => (v === 'auto' ? v : Number(v)))
    .describe('Layers of the model that go to the GPU; auto is as many as find room'),
  KV_CACHE_TYPE: oneOf(['f16', 'q8_0'], 'f16').describe(
    'How the context is kept: f16, or q8_0 in about half the memory, which needs FLASH_ATTENTION',
  ),
  FLASH_ATTENTION: flag(true).describe('Compute attention in pieces, which takes less memory'),
  REASONING_BUDGET: integer(0, 0, 4_194_304).describe(
    'Tokens after which reasoning is closed and the answer begins; 0 is never',
  ),
  LOOP_GUARD: oneOf(['off', 'report', 'stop'], 'stop').describe(
    'What is done with an answer that repeats the same block again and again: stop ends it, finish_reason repetition',
  ),
  ENGINE_STALL: duration('5m', 1).describe('An engine that shows no progress for so long is ended and started again'),
  API_KEYS: z
    .string()
    .default('')
    .describe('Keys that clients must send one of, separated by commas; open to all unless set'),
  API_KEY_CONCURRENCY: integer(0, 0, 100_000).describe(
    'Requests that one key may have open at once; 0 is as many as it likes',
  ),
  API_KEY_RPM: integer(0, 0, 1_000_000).describe('Requests that one key may send a minute; 0 is as many as it likes'),
  CORS_ORIGINS: z
    .string()
    .default('')
    .transform((v, context) => {
      const origins = v
        .split(',')
        .map((origin) => origin.trim())
        .filter((origin) => origin !== '');
      if (origins.every((origin) => origin === '*' || isOrigin(origin))) return origins;
      context.addIssue({
        code: 'custom',
        message: 'origins such as https://chat.example.com are expected, separated by commas, or *',
      });
      return z.NEVER;
    })
    .describe('Pages that may ask from a browser, by their origin, separated by commas; * is all, none unless set'),
  BODY_LIMIT: bytes('4MiB').describe('Largest body of a request'),
  OTEL_SDK_DISABLED: flag(false).describe('Make no spans; the collector then knows nothing of requests'),
  OTEL_EXPORTER_OTLP_ENDPOINT: httpUrl()
    .default('http://127.0.0.1:4318')
    .describe('Where spans go, by OTLP over HTTP: the collector'),
  OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT: flag(true).describe(
    'Put messages into spans, so that the collector can score them; it drops the text afterwards',
  ),
  SPAN_SPOOL_MAX: bytes('64MiB').describe('Spans that may wait on disk for the collector'),
});

export type RuntimeConfig = z.output<typeof configSchema>;

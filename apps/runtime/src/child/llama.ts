import {
  getLlama,
  LlamaLogLevel,
  type Llama,
  type LlamaContextSequence,
  type LlamaModel,
  type Token,
} from 'node-llama-cpp';
import type { FromChild, LoadOptions, ModelInfo } from '../engine/protocol.js';
import { ASSISTANT, THINK_BEGIN, THINK_END, USER } from '../text/prompt.js';

/** Tokens of a prompt that are read in one step; also the most that one decode takes. */
export const BATCH = 512;

export interface Loaded {
  model: LlamaModel;
  sequences: LlamaContextSequence[];
  thinkBegin: Token | undefined;
  thinkEnd: Token | undefined;
  info: ModelInfo;
}

/** Loads a model and makes one context with all its sequences. Errors are llama.cpp's own. */
export async function load(options: LoadOptions, tell: (message: FromChild) => void): Promise<Loaded> {
  const llama = await loadLlama(options, tell);
  const model = await llama.loadModel({
    modelPath: options.path,
    onLoadProgress: (ratio) => tell({ type: 'load-progress', ratio }),
  });
  // The preset would take the whole training context for each sequence.
  const contextSize = Math.min(options.contextSize, model.trainContextSize);
  const context = await model.createContext({
    contextSize,
    sequences: options.sequences,
    batchSize: BATCH,
    threads: options.threads,
  });
  const single = (text: string): Token | undefined => {
    const tokens = model.tokenize(text, true);
    return tokens.length === 1 ? tokens[0] : undefined;
  };
  const [thinkBegin, thinkEnd] = [single(THINK_BEGIN), single(THINK_END)];
  return {
    model,
    sequences: Array.from({ length: options.sequences }, () => context.getSequence()),
    thinkBegin,
    thinkEnd,
    info: {
      contextSize,
      reasons: thinkBegin !== undefined && thinkEnd !== undefined,
      speaksDeepSeek: single(USER) !== undefined && single(ASSISTANT) !== undefined,
      device: llama.gpu === false ? 'cpu' : llama.gpu,
    },
  };
}

async function loadLlama(options: LoadOptions, tell: (message: FromChild) => void): Promise<Llama> {
  const start = (gpu: 'auto' | 'cuda' | 'vulkan' | 'metal' | false) =>
    getLlama({
      gpu,
      // Never a build or a download behind the user's back: the prebuilt binary is there or it is not.
      build: 'never',
      skipDownload: true,
      maxThreads: options.threads,
      logLevel: LlamaLogLevel.warn,
      logger: (level, message) => tell({ type: 'log', level: levelOf(level), message: message.trim() }),
    });
  if (options.gpu !== 'auto') return start(options.gpu === 'none' ? false : options.gpu);
  try {
    return await start('auto');
  } catch (error) {
    tell({ type: 'log', level: 'warn', message: `no GPU can be used, so the processor computes: ${String(error)}` });
    return start(false);
  }
}

function levelOf(level: LlamaLogLevel): 'debug' | 'info' | 'warn' | 'error' {
  if (level === LlamaLogLevel.fatal || level === LlamaLogLevel.error) return 'error';
  if (level === LlamaLogLevel.warn) return 'warn';
  return level === LlamaLogLevel.info ? 'info' : 'debug';
}

import { availableParallelism } from 'node:os';
import {
  getLlama,
  GgmlType,
  GgufInsights,
  LlamaLogLevel,
  readGgufFileInfo,
  type Llama,
  type LlamaModel,
  type Token,
} from 'node-llama-cpp';
import type { FromChild, LoadOptions, ModelInfo } from '../engine/protocol.js';
import { ASSISTANT, THINK_BEGIN, THINK_END, USER } from '../text/prompt.js';
import type { ToolTokens } from '../text/tool-calls.js';
import { TOOL_TOKENS } from '../text/tools.js';
import { nativeContext, type NativeContext } from './binding.js';
import { measureGapWorth } from './gap-worth.js';
import { fitSequences, type Bytes } from './memory.js';
import { ThreadSpreader } from './spread.js';
import { chooseThreads } from './threads.js';

/** The most tokens that one decode takes. */
export const BATCH = 512;
const MIB = 2 ** 20;

/**
 * Tokens of a prompt that are read at once, while those who are being answered wait: about a tenth of a second's worth
 * on a small machine. It depends on nothing that changes from run to run, as the text of a seed depends on it.
 */
export function pieceSize({ device, memory }: ModelInfo): number {
  if (device !== 'cpu') return 256;
  if (memory.model < 256 * MIB) return 64;
  return memory.model < 1536 * MIB ? 32 : 16;
}

/**
 * Whether rows of one batch cost less than rows by themselves, so that prompts are read together and gaps between
 * sequences filled: hardly so with a small model, which has them soon, and a large one, which has much to do for each.
 */
export function batchPays({ device, memory }: ModelInfo): boolean {
  return device !== 'cpu' || (memory.model >= 64 * MIB && memory.model < 256 * MIB);
}

/** Of a GPU, which computes a row too much in no time. */
const GAP_ON_GPU = 16;

/**
 * Cells from which on llama.cpp's processor backend parts the context of a row that it computes by itself among threads:
 * at 512, of which it looks at 256 at a time. It does not without flash attention, nor with a KV cache in Q8_0.
 */
export function lonelyFrom({ device }: ModelInfo, { flashAttention, kvCacheType }: LoadOptions): number {
  return device === 'cpu' && flashAttention && kvCacheType === 'f16' ? 256 : Infinity;
}

/** Where it is ours to choose: a processor has no use for more sequences than these, */
const MOST_ON_PROCESSOR = 32;
/** and no more of what is left of memory; a GPU has nothing else to do. */
const SHARE = { processor: 0.25, gpu: 0.9 };

export interface Loaded {
  llama: Llama;
  model: LlamaModel;
  /** One a lane; together they have all sequences. */
  contexts: { native: NativeContext; sequences: number }[];
  /** Idle rows that may be computed to close a gap between sequences. */
  widestGap: number;
  /** Of all lanes together. */
  threads: number;
  /** As `chooseThreads` has it; 0 where there is one lane. */
  gathered: number;
  /** undefined where threads can't be kept apart, or need not. */
  spreader: ThreadSpreader | undefined;
  thinkBegin: Token | undefined;
  thinkEnd: Token | undefined;
  /** undefined for a model that calls no tools. */
  toolTokens: ToolTokens<Token> | undefined;
  info: ModelInfo;
}

/** What stops a load, as a whole sentence. */
export class LoadError extends Error {
  override readonly name = 'LoadError';
}

/**
 * Loads a model and makes its contexts.
 * @throws LoadError where memory does not take it; llama.cpp's own errors else
 */
export async function load(options: LoadOptions, tell: (message: FromChild) => void): Promise<Loaded> {
  const llama = await loadLlama(options, tell);
  const onGpu = llama.gpu !== false;
  const spreader = onGpu ? undefined : await ThreadSpreader.open();
  const insights = await GgufInsights.from(await readGgufFileInfo(options.path, { logWarnings: false }), llama);
  const chosen = chooseThreads(options.threads, insights.modelSize, availableParallelism(), spreader !== undefined);
  // The preset would take the whole training context for each sequence.
  const contextSize = Math.min(options.contextSize, insights.trainContextSize ?? options.contextSize);
  const planner = new Planner(options, llama, insights, contextSize, onGpu ? 1 : chosen.lanes);
  let sequences = onGpu ? 0 : await planner.sequences(0, await planner.modelBytes(0));
  const model = await llama.loadModel({
    modelPath: options.path,
    gpuLayers: !onGpu ? 0 : options.gpuLayers === 'auto' ? { fitContext: { contextSize } } : options.gpuLayers,
    // Weights are read from the file's own pages, which processes share and the system can drop.
    useMmap: llama.supportsMmap,
    onLoadProgress: (ratio) => tell({ type: 'load-progress', ratio }),
  });
  // How many layers found room on the GPU is known only now.
  if (onGpu) sequences = await planner.sequences(model.gpuLayers, { ram: 0, vram: 0 });
  // A lane that gathers must have room for those it gathers.
  const lanes = onGpu || sequences < chosen.lanes * chosen.gathered ? 1 : Math.min(chosen.lanes, sequences);
  const gathered = lanes === 1 ? 0 : chosen.gathered;
  const contexts: Loaded['contexts'] = [];
  for (let lane = 0; lane < lanes; lane++) {
    const share = Math.floor(sequences / lanes) + (lane < sequences % lanes ? 1 : 0);
    const context = await model.createContext({
      contextSize,
      sequences: share,
      batchSize: Math.max(BATCH, share),
      threads: gathered > 0 ? chosen.threads : Math.max(1, Math.floor(chosen.threads / lanes)),
      flashAttention: planner.flashAttention,
      experimentalKvCacheKeyType: planner.cacheType,
      experimentalKvCacheValueType: planner.cacheType,
      // Shrinking the context behind the user's back is no help.
      failedCreationRemedy: false,
    });
    contexts.push({ native: nativeContext(context), sequences: share });
  }
  await tryOut(contexts[0]!.native);
  spreader?.learn();
  const apart = (lanes === 1 || gathered > 0) && chosen.threads > 1 ? spreader : undefined;
  const single = (text: string): Token | undefined => {
    const tokens = model.tokenize(text, true);
    return tokens.length === 1 ? tokens[0] : undefined;
  };
  const [thinkBegin, thinkEnd] = [single(THINK_BEGIN), single(THINK_END)];
  const toolEntries = Object.entries(TOOL_TOKENS).map(([name, text]) => [name, single(text)] as const);
  const callsTools = toolEntries.every(([, token]) => token !== undefined);
  const info: ModelInfo = {
    contextSize,
    sequences,
    limit: Math.min(options.batch.min, options.batch.max, sequences),
    memory: planner.told,
    reasons: thinkBegin !== undefined && thinkEnd !== undefined,
    speaksDeepSeek: single(USER) !== undefined && single(ASSISTANT) !== undefined,
    callsTools,
    device: llama.gpu === false ? 'cpu' : llama.gpu,
  };
  return {
    llama,
    model,
    contexts,
    widestGap: await widestGap(info, contexts[0]!, apart),
    threads: chosen.threads,
    gathered,
    spreader: apart,
    thinkBegin,
    thinkEnd,
    toolTokens: callsTools ? (Object.fromEntries(toolEntries) as unknown as ToolTokens<Token>) : undefined,
    info,
  };
}

function widestGap(
  info: ModelInfo,
  { native, sequences }: Loaded['contexts'][number],
  spreader: ThreadSpreader | undefined,
): number | Promise<number> {
  if (!batchPays(info)) return 0;
  return info.device === 'cpu' ? measureGapWorth(native, sequences, spreader) : GAP_ON_GPU;
}

/** A GPU whose driver does not fit ends the process at its first batch: better now than with somebody's answer. */
async function tryOut(native: NativeContext): Promise<void> {
  native.initBatch(1);
  native.addToBatch(0, 0, new Uint32Array([0]), new Uint32Array([0]));
  await native.decodeBatch();
  native.disposeSequence(0);
}

/** Asks llama.cpp what things would take, and memory what there is. */
class Planner {
  readonly flashAttention: boolean;
  readonly cacheType: GgmlType;
  readonly told = { model: 0, context: 0 };

  constructor(
    private readonly options: LoadOptions,
    private readonly llama: Llama,
    private readonly insights: GgufInsights,
    private readonly contextSize: number,
    /** Contexts side by side. */
    private readonly lanes: number,
  ) {
    this.flashAttention = options.flashAttention && insights.flashAttentionSupported;
    this.cacheType = options.kvCacheType === 'q8_0' ? GgmlType.Q8_0 : GgmlType.F16;
    this.told.model = insights.modelSize;
  }

  /** @throws LoadError where they find no room */
  async sequences(gpuLayers: number, model: Bytes): Promise<number> {
    const { options, contextSize, lanes } = this;
    const [one, nine] = [await this.contextBytes(gpuLayers, 1), await this.contextBytes(gpuLayers, 9)];
    const each = (side: keyof Bytes) => Math.max(0, (nine[side] - one[side]) / 8);
    const sequence = { ram: each('ram'), vram: each('vram') };
    const onGpu = gpuLayers > 0;
    const preset = onGpu ? options.batch.max : Math.min(options.batch.max, MOST_ON_PROCESSOR);
    const most = Math.min(options.sequences || preset, options.ceiling ?? Infinity);
    const fixed = {
      ram: lanes * Math.max(0, one.ram - sequence.ram),
      vram: lanes * Math.max(0, one.vram - sequence.vram),
    };
    const fits = fitSequences({
      free: await this.free(),
      model,
      fixed,
      sequence,
      contextSize,
      // After it was too much it is no demand any more.
      wanted: options.ceiling === undefined ? options.sequences : 0,
      most,
      share: onGpu ? SHARE.gpu : SHARE.processor,
    });
    if (typeof fits === 'string') throw new LoadError(`The model file ${options.path} does not fit: ${fits}.`);
    this.told.context = Math.round(fixed.ram + fixed.vram + fits * (sequence.ram + sequence.vram));
    return fits;
  }

  async modelBytes(gpuLayers: number): Promise<Bytes> {
    const { cpuRam, gpuVram } = await this.insights.estimateModelResourceRequirementsV2({ gpuLayers, useMmap: false });
    return { ram: cpuRam, vram: gpuVram };
  }

  private async contextBytes(modelGpuLayers: number, sequences: number): Promise<Bytes> {
    const { cpuRam, gpuVram } = await this.insights.estimateContextResourceRequirementsV2({
      contextSize: this.contextSize,
      modelGpuLayers,
      batchSize: BATCH,
      sequences,
      flashAttention: this.flashAttention,
      kvCacheKeyType: this.cacheType,
      kvCacheValueType: this.cacheType,
    });
    return { ram: cpuRam, vram: gpuVram };
  }

  private async free(): Promise<Bytes> {
    const vram = this.llama.gpu === false ? 0 : (await this.llama.getVramState()).free;
    // What the system could give, a container's own limit included.
    return { ram: process.availableMemory(), vram };
  }
}

async function loadLlama(options: LoadOptions, tell: (message: FromChild) => void): Promise<Llama> {
  const start = (gpu: 'auto' | 'cuda' | 'vulkan' | 'metal' | false) =>
    getLlama({
      gpu,
      // Never a build or a download behind the user's back: the prebuilt binary is there or it is not.
      build: 'never',
      skipDownload: true,
      // No limit: how many is said for each batch.
      maxThreads: 0,
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

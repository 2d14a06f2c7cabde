/** What a model keeps of each token: keys and values of a few heads, or one compressed vector (R1 and V3). */
export type Attention =
  | { kind: 'heads'; keyValueHeads: number; keyLength: number; valueLength: number }
  | { kind: 'latent'; latent: number; rope: number };

/** What of a model decides on its memory. */
export interface Architecture {
  layers: number;
  /** Length of a token's vector between the layers. */
  hidden: number;
  /** Query heads. */
  heads: number;
  /** Tokens that the model knows. */
  vocabulary: number;
  /** The longest context, in tokens, that it was trained on. */
  maxContext: number;
  attention: Attention;
}

/** Values that one token leaves in the KV cache, all layers together. */
export function cachedValues({ layers, attention }: Architecture): number {
  return attention.kind === 'latent'
    ? layers * (attention.latent + attention.rope)
    : layers * attention.keyValueHeads * (attention.keyLength + attention.valueLength);
}

/** The feed-forward part of the layers: the same in all of them, or experts in all but the first. */
export type FeedForward =
  | { kind: 'dense'; width: number }
  | { kind: 'experts'; firstDense: number; denseWidth: number; width: number; experts: number; shared: number };

/** The lines of a model's `config.json` that its count of parameters follows from. */
export interface ModelConfig extends Architecture {
  feedForward: FeedForward;
  /** Qwen2 adds a bias to query, key and value. */
  attentionBias?: boolean;
  /** Qwen3 normalises queries and keys. */
  attentionNorms?: boolean;
  /** Rank of the compressed query (R1 and V3) and length of the part of a head without position. */
  queryRank?: number;
  headLength: number;
}

export interface Parameters {
  total: number;
  /** Of the embedding and the output layer: quantisations for vLLM leave these at 16 bits. */
  embedding: number;
}

/**
 * Counts a model's parameters as the published weights have them (embedding and output layer apart, no multi-token
 * prediction layer).
 */
export function countParameters(config: ModelConfig): Parameters {
  const { hidden, layers, vocabulary } = config;
  const embedding = 2 * vocabulary * hidden;
  const perLayer = attentionParameters(config) + 2 * hidden;
  return { total: embedding + layers * perLayer + feedForwardParameters(config) + hidden, embedding };
}

function attentionParameters(config: ModelConfig): number {
  const { attention, hidden, heads, headLength, queryRank = 0 } = config;
  if (attention.kind === 'latent') {
    const { latent, rope } = attention;
    const query = hidden * queryRank + queryRank + queryRank * heads * (headLength + rope);
    const keyValue = hidden * (latent + rope) + latent + latent * heads * 2 * headLength;
    return query + keyValue + heads * headLength * hidden;
  }
  const query = heads * headLength;
  const keyValue = attention.keyValueHeads * (attention.keyLength + attention.valueLength);
  const biases = config.attentionBias ? query + keyValue : 0;
  const norms = config.attentionNorms ? 2 * headLength : 0;
  return hidden * (query + keyValue) + biases + norms + query * hidden;
}

function feedForwardParameters({ feedForward, hidden, layers }: ModelConfig): number {
  // Gate, up and down.
  const block = (width: number) => 3 * hidden * width;
  if (feedForward.kind === 'dense') return layers * block(feedForward.width);
  const { firstDense, denseWidth, width, experts, shared } = feedForward;
  // The router has a weight and a correction for each expert.
  const router = experts * hidden + experts;
  return firstDense * block(denseWidth) + (layers - firstDense) * ((experts + shared) * block(width) + router);
}

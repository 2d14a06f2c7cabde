import { scoreTurn, type TurnScores } from '@vigil/quality';
import type { RequestRow } from '@vigil/store';
import { bool } from '../receive/attributes.js';
import type { Span } from '../receive/span.js';
import { contentOf } from './content.js';

/** Scores the answer that a span carries. The texts go no further than this. */
export function scoreSpan(
  span: Span,
  {
    finishReason,
    outputTokens,
    reasoningTokens,
  }: Pick<RequestRow, 'finishReason' | 'outputTokens' | 'reasoningTokens'>,
): TurnScores {
  return scoreTurn({
    ...contentOf(span.attributes),
    reasoningClosed: bool(span.attributes.get('vigil.reasoning.closed')),
    finishReason,
    outputTokens,
    reasoningTokens,
  });
}

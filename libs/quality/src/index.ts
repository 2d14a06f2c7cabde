export { splitReasoning, type SplitText } from './reasoning.js';
export { repetition } from './repetition.js';
export { MAX_TEXT_LENGTH, tokenize } from './tokens.js';
export { scoreTurn, type Turn, type TurnScores } from './turn.js';

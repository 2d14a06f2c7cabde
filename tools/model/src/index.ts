export { FAULTS, forgotten, withFault, type Fault } from './faults.js';
export { writeGguf, type GgufFile, type GgufTensor, type GgufValue } from './gguf.js';
export { buildNanoModel, NANO_NAME, type Trained } from './nano.js';
export { buildRandomModel, RANDOM_125M, RANDOM_1_5B, RANDOM_TINY, type RandomModel } from './random.js';
export { buildScriptedModel, SCRIPTED_NAME } from './scripted.js';
export type { TensorType } from './tensor-types.js';

export { writeGpuSamples, writeRequests } from './bulk.js';
export * from './entities/alert.js';
export { GpuSampleEntity } from './entities/gpu-sample.js';
export { RequestEntity } from './entities/request.js';
export { dropExpired } from './partitions.js';
export * from './query.js';
export type { GpuSampleRow, Outcome, RequestRow } from './rows.js';
export { connect, connectionProblem, createStore, isTransient } from './store.js';
export { transaction } from './transaction.js';

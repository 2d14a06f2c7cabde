export { BodiesFullError } from './body-budget.js';
export * from './config.js';
export * from './errors.js';
export * from './health.js';
export * from './lifecycle.js';
export * from './log.js';
export * from './main.js';
export * from './metrics.js';
export * from './web.js';

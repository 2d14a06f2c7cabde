export { configSchema, type LaunchConfig } from './config.js';
export { loadEnvironment, withoutChannels } from './environment.js';
export { ManagedProcess, type ProcessEvents, type ProcessSpec } from './managed-process.js';
export { freePort } from './ports.js';
export { Progress } from './progress.js';
export { findProgram, writePrometheusConfig } from './prometheus.js';
export { ROOT, Stack } from './stack.js';
export { readState, type RunState } from './state.js';

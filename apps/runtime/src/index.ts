export { createApp, type RuntimeApp } from './app.js';
export { configSchema, type RuntimeConfig } from './config.js';

export { createApp } from './app.js';
export { configSchema, type CollectorConfig } from './config.js';

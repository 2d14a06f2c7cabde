export { createApp, type ApiOptions } from './app.js';
export { configSchema, type ApiConfig } from './config.js';

export { PostgresServer, type PostgresOptions } from './server.js';

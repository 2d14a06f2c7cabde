export { createTestDatabase, type TestDatabase } from './database.js';
export { until } from './wait.js';

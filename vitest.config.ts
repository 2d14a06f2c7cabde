import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['{libs,apps,tools,e2e}/**/src/**/*.test.ts'],
    globalSetup: ['./tools/testing/dist/global-setup.js'],
    testTimeout: 60_000,
    hookTimeout: 60_000,
    pool: 'forks',
    maxWorkers: 2,
  },
});

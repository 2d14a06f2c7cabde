import { join } from 'node:path';
import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['{libs,apps,tools,e2e}/**/src/**/*.test.ts'],
    globalSetup: ['./tools/testing/dist/global-setup.js'],
    testTimeout: 60_000,
    hookTimeout: 60_000,
    pool: 'forks',
    // Two a core of a small machine: many tests wait for something to hang, be killed or come back.
    maxWorkers: 4,
    // A process and its imports for each file took a tenth of the time.
    isolate: false,
    // Whole services are started again and again, and up to half of a start is compiling their code.
    env: { NODE_COMPILE_CACHE: join(import.meta.dirname, 'node_modules/.cache/vigil-compiled') },
  },
});

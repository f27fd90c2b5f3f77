import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    testTimeout: 60_000,
    hookTimeout: 120_000,
    // Browsers and software adapters take every core they get: more than two files at a time only makes them time out.
    maxWorkers: 2,
  },
});

import { defineConfig } from 'vitest/config';

const all = ['test/**/*.test.ts'];
const slow = ['test/e2e/**/*.test.ts', 'test/hostile/**/*.test.ts'];
const ratios = 'test/bench/ratios.test.ts';

export default defineConfig({
  test: {
    testTimeout: 60_000,
    hookTimeout: 120_000,
    // Browsers and software adapters take every core they get: more than two files at a time only makes them time out.
    maxWorkers: 2,
    projects: [
      project('quick', 0, all, [...slow, ratios]),
      project('slow', 0, slow),
      // What compares times runs when everything else is done: a neighbour that takes a core for a while is in one time and not in the other.
      project('ratios', 1, [ratios]),
    ],
  },
});

function project(name: string, groupOrder: number, include: string[], exclude: string[] = []) {
  return { extends: true as const, test: { name, include, exclude, sequence: { groupOrder } } };
}

import { defineConfig } from 'vitest/config';
import { BaseSequencer, type TestSpecification } from 'vitest/node';

const all = ['test/**/*.test.ts'];
const slow = ['test/e2e/**/*.test.ts', 'test/hostile/**/*.test.ts'];
const ratios = 'test/bench/ratios.test.ts';
/** What computes and does nothing else, not even measure itself: these files share a process, its modules and its compiled code. */
const pure = [
  'test/{moe,numerics,playground,simulate,specs,studies,tensors}/**/!(cuda-host|engines|safetensors|simulate).test.ts',
];

/** Files that take more than 25 s, the longest first: begun last, one would keep the other worker waiting. */
const longest = [
  'mutants/mutants',
  'parity/runtimes',
  'diagnose/mutants',
  'e2e/shell',
  'parity/fast',
  'e2e/faults',
  'diagnose/blind',
  'diagnose/field',
  'kernels/quantize-webgpu',
  'parity/shipped-traces',
  'hostile/processes',
  'shaders/exp',
  'native/parity',
  'native/emulated',
  'e2e/offline',
].map((name) => `/test/${name}.test.ts`);

class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const place = ({ moduleId }: TestSpecification): number => {
      const at = longest.findIndex((name) => moduleId.endsWith(name));
      return at === -1 ? longest.length : at;
    };
    return (await super.sort(files)).sort((a, b) => place(a) - place(b));
  }
}

export default defineConfig({
  test: {
    testTimeout: 60_000,
    hookTimeout: 120_000,
    // Browsers and software adapters take every core they get: more than two files at a time only makes them time out.
    maxWorkers: 2,
    sequence: { sequencer: LongestFirst },
    projects: [
      project('pure', 0, pure, [], false),
      project('quick', 0, all, [...slow, ...pure, ratios]),
      project('slow', 0, slow),
      // What compares times runs when everything else is done: a neighbour that takes a core for a while is in one time and not in the other.
      project('ratios', 1, [ratios]),
    ],
  },
});

function project(name: string, groupOrder: number, include: string[], exclude: string[] = [], isolate = true) {
  return { extends: true as const, test: { name, include, exclude, isolate, sequence: { groupOrder } } };
}

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
    sequence: { sequencer: LongestFirst },
    projects: [
      // Of two cores one is often idle with two files, for compilers of shaders have one thread.
      project('pure', { groupOrder: 0, maxWorkers: 3, include: pure, isolate: false }),
      project('quick', { groupOrder: 0, maxWorkers: 3, include: all, exclude: [...slow, ...pure, ratios] }),
      // Browsers take every core they get: more than two files at a time only makes them time out.
      project('slow', { groupOrder: 1, maxWorkers: 2, include: slow }),
      // What compares times runs when everything else is done: a neighbour that takes a core for a while is in one time and not in the other.
      project('ratios', { groupOrder: 2, maxWorkers: 1, include: [ratios] }),
    ],
  },
});

interface Files {
  /** Projects of a lower order run before. */
  readonly groupOrder: number;
  readonly maxWorkers: number;
  readonly include: string[];
  readonly exclude?: string[];
  readonly isolate?: boolean;
}

function project(name: string, { groupOrder, ...files }: Files) {
  return { extends: true as const, test: { name, ...files, sequence: { groupOrder } } };
}

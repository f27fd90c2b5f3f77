import type { ShippedSpec } from '../../services/specs.ts';

/** How much of what is shipped a check runs. */
export type Extent = 'quick' | 'all';

/** Work of a spec that a check takes on: a moment on a software adapter. */
const mostWork = 2 ** 21;

/** Every how many batches of recorded dot products a check runs one. */
export const recordedStride: Readonly<Record<Extent, number>> = { quick: 5, all: 1 };

/** Shipped specs that a check can run at all: those that are not too large. */
export const runnableSpecs = (specs: readonly ShippedSpec[]): ShippedSpec[] =>
  specs.filter(({ work }) => work <= mostWork);

/** Kernels that run other kernels: they bring no arithmetic of their own, and compile all of it. */
const composites = new Set(['moe-layer', 'moe-layer-backward']);

/** What stands for a kernel: DeepSeek-V3's own shape before others, an ordinary one before an edge, the smallest of these. */
const rank = ({ label, work }: ShippedSpec): number =>
  work + (label.includes('/dsv3') ? 0 : 2 ** 40) + (label.includes('/edge') ? 2 ** 41 : 0);

/** The specs of a check: all that can be run, or one of each kernel that is not made of others. */
export function checkedSpecs(specs: readonly ShippedSpec[], extent: Extent): ShippedSpec[] {
  const runnable = runnableSpecs(specs);
  if (extent === 'all') return runnable;
  const kernels = [...new Set(runnable.map(({ spec }) => spec.kernel))].filter((kernel) => !composites.has(kernel));
  return kernels.map((kernel) =>
    runnable.filter(({ spec }) => spec.kernel === kernel).reduce((a, b) => (rank(b) < rank(a) ? b : a)),
  );
}

import { resolveSpec } from '../specs/resolve.ts';
import type { ResolvedSpec } from '../specs/types.ts';
import { elementCount } from '../tensors/tensor.ts';

const files = import.meta.glob(['../../specs/*/*.json', '!../../specs/vectors/**'], {
  import: 'default',
  eager: true,
}) as Record<string, unknown>;

/** Elements a spec's result has, about: what decides how long the reference takes. */
function work(spec: ResolvedSpec): number {
  return elementCount(Object.values(spec.shape));
}

const isSpec = (json: unknown) => typeof json === 'object' && json !== null && 'kernel' in json && 'fp8lab' in json;

/** The shipped specs a page can run in a moment, one kernel after the other, small ones first. Specs that read files are left out. */
export function quickSpecs(perKernel = 2, mostWork = 2 ** 24): ResolvedSpec[] {
  const specs = Object.entries(files)
    .filter(([, json]) => isSpec(json))
    .map(([path, json]) => resolveSpec(json, path))
    .filter((spec) => !spec.large && !JSON.stringify(spec).includes('"file":') && work(spec) <= mostWork);
  const kernels = [...new Set(specs.map((spec) => spec.kernel))];
  return kernels.flatMap((kernel) =>
    specs
      .filter((spec) => spec.kernel === kernel)
      .sort((a, b) => work(b) - work(a))
      .slice(0, perKernel),
  );
}

import { Fp8labError } from '../../errors.ts';
import type { ResolvedSpec } from '../../specs/types.ts';

/** Bytes of tensors that the page takes on: a browser tab is no place for more. */
const mostBytes = 256 * 2 ** 20;

/** Multiply-adds (gemm) or elements that the reference does in a reasonable time in JavaScript. */
const mostWork = 2 ** 30;

/** Product of the extents: multiply-adds of a gemm, elements of other kernels. */
export function specWork(spec: ResolvedSpec): number {
  return Object.values(spec.shape as Record<string, number>).reduce((product, extent) => product * extent, 1);
}

/** Bytes that a spec's tensors take as f32 and as codes, at most. */
function specBytes(spec: ResolvedSpec): number {
  if (spec.kernel !== 'gemm') return 8 * specWork(spec);
  const { m, n, k } = spec.shape;
  return 8 * (m * k + n * k + m * n);
}

/** Refuses a spec that would take the tab down, before anything is allocated. */
export function requireBudget(spec: ResolvedSpec): void {
  const bytes = specBytes(spec);
  const work = specWork(spec);
  if (bytes <= mostBytes && work <= mostWork) return;
  const [what, limit] =
    bytes > mostBytes
      ? [`about ${Math.ceil(bytes / 2 ** 20)} MiB of tensors`, `${mostBytes / 2 ** 20} MiB`]
      : [`2^${Math.ceil(Math.log2(work))} steps of the reference`, `2^${Math.log2(mostWork)}`];
  throw new Fp8labError(`${spec.name} needs ${what}; the page takes ${limit} at most`, {
    kind: 'input',
    code: 'over-budget',
    where: 'shape',
    fix: `make the shape smaller, or run it outside the browser: npx fp8lab parity spec.json`,
  });
}

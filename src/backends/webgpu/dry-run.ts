import { kernelOf } from '../../kernels/index.ts';
import { materializeInputs } from '../../kernels/inputs.ts';
import type { Tier } from '../../kernels/kernel.ts';
import type { ResolvedSpec } from '../../specs/types.ts';
import { type Dispatch, type Gpu, type GpuWords, workgroupSize } from './gpu.ts';
import { linkShader, type ShaderSources } from './link.ts';

/** The shaders of a run, as paths under shaders/ without the ending. */
export interface RunShaders {
  /** Those that are dispatched, in the order of their first dispatch. */
  readonly dispatched: readonly string[];
  /** Those that they include. */
  readonly included: readonly string[];
  /** Variants that were taken, as `family=variant`. */
  readonly variants: readonly string[];
}

/** What a common device binds at once; a kernel splits its work past it, into dispatches of the same shaders. */
const maxBindingBytes = 128 * 2 ** 20;

/**
 * The shaders that a spec runs, without a device: the kernel is gone through, dispatches are written down, and what it reads back is zero. In
 * the fast tier, those of an adapter without features or choices. Throws where an included shader is missing.
 */
export async function shadersOf(
  spec: ResolvedSpec,
  sources?: ShaderSources,
  tier: Tier = 'exact',
): Promise<RunShaders> {
  const dispatched = new Set<string>();
  const linked = new Set<string>();
  const gpu: Gpu = {
    limits: { maxBindingBytes, leastSubgroup: 4 },
    variants: {},
    taken: new Set(),
    has: () => false,
    upload: (lanes) => ({ words: Math.max(Math.ceil(lanes.byteLength / 4), 1) }),
    allocate: (words) => ({ words: Math.max(words, 1) }),
    dispatch({ shader, constants, substitutes }: Dispatch) {
      dispatched.add(shader);
      const whole = { ...constants, WORKGROUP_SIZE: workgroupSize };
      for (const path of linkShader(shader, whole, sources, substitutes).files) linked.add(path);
    },
    read: async ({ words }: GpuWords) => new Uint32Array(words),
    release: () => undefined,
  };
  const kernel = kernelOf(spec);
  await kernel.webgpu(gpu, spec as never, materializeInputs(kernel.inputs(spec as never)), tier);
  const included = [...linked].filter((path) => !dispatched.has(path));
  return { dispatched: [...dispatched], included, variants: [...gpu.taken] };
}

import { kernelOf } from '../../kernels/index.ts';
import { materializeInputs } from '../../kernels/inputs.ts';
import type { Tier } from '../../kernels/kernel.ts';
import type { VariantChoices } from '../../kernels/variants.ts';
import type { ResolvedSpec } from '../../specs/types.ts';
import type { Tensors } from '../../tensors/tensor.ts';
import { type Dispatch, type Gpu, type GpuLimits, type GpuWords, workgroupSize } from './gpu.ts';
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

/** What a plan depends on of a device. */
export interface DeviceTraits {
  readonly limits: GpuLimits;
  readonly features: readonly string[];
  readonly variants: VariantChoices;
}

/** What a common device binds at once; a kernel splits its work past it, into dispatches of the same shaders. */
const plainDevice: DeviceTraits = {
  limits: { maxBindingBytes: 128 * 2 ** 20, leastSubgroup: 4 },
  features: [],
  variants: {},
};

/** Goes through a kernel without a device: `onDispatch` hears of every dispatch, and what the kernel reads back is zero. Returns the variants taken. */
export async function dryRun(
  spec: ResolvedSpec,
  inputs: Tensors,
  tier: Tier,
  { limits, features, variants }: DeviceTraits,
  onDispatch: (dispatch: Dispatch) => void,
): Promise<ReadonlySet<string>> {
  const gpu: Gpu = {
    limits,
    variants,
    taken: new Set(),
    has: (feature) => features.includes(feature),
    upload: (lanes) => ({ words: Math.max(Math.ceil(lanes.byteLength / 4), 1) }),
    allocate: (words) => ({ words: Math.max(words, 1) }),
    texels: (width, height) => ({ words: 4 * width * height, width, height }),
    dispatch: onDispatch,
    read: async ({ words }: GpuWords) => new Uint32Array(words),
    release: () => undefined,
  };
  await kernelOf(spec).webgpu(gpu, spec as never, inputs, tier);
  return gpu.taken;
}

/** For what the shaders are asked: shipped sources, the exact tier and an adapter without features where nothing is said. */
export interface ShaderQuestion {
  readonly sources?: ShaderSources;
  readonly tier?: Tier;
  readonly features?: readonly string[];
}

/**
 * The shaders that a spec runs, without a device: the kernel is gone through, dispatches are written down, and what it reads back is zero. In
 * the fast tier, those of an adapter without choices. Throws where an included shader is missing.
 */
export async function shadersOf(
  spec: ResolvedSpec,
  { sources, tier = 'exact', features = [] }: ShaderQuestion = {},
): Promise<RunShaders> {
  const dispatched = new Set<string>();
  const linked = new Set<string>();
  const inputs = materializeInputs(kernelOf(spec).inputs(spec as never));
  const taken = await dryRun(spec, inputs, tier, { ...plainDevice, features }, ({ shader, constants, substitutes }) => {
    dispatched.add(shader);
    const whole = { ...constants, WORKGROUP_SIZE: workgroupSize };
    for (const path of linkShader(shader, whole, sources, substitutes).files) linked.add(path);
  });
  const included = [...linked].filter((path) => !dispatched.has(path));
  return { dispatched: [...dispatched], included, variants: [...taken] };
}

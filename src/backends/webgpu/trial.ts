import { Fp8labError } from '../../errors.ts';
import { fastVariants } from '../../kernels/gemm/variants.ts';
import { kernelOf } from '../../kernels/index.ts';
import { materializeInputs } from '../../kernels/inputs.ts';
import type { Tier } from '../../kernels/kernel.ts';
import type { VariantChoices } from '../../kernels/variants.ts';
import { resolveSpec } from '../../specs/resolve.ts';
import type { ResolvedSpec } from '../../specs/types.ts';
import type { Tensors } from '../../tensors/tensor.ts';
import { createGpu, type OwnedGpu } from './device.ts';
import type { ShaderSources } from './link.ts';
import { recorder } from './timing.ts';

/** A family of variants, and what they are tried on. */
export interface Family {
  readonly name: string;
  readonly tier: Tier;
  readonly variants: readonly string[];
  /** Small, held against the reference. */
  readonly verified: ResolvedSpec;
  /** Timed: large enough to tell the variants apart, small enough for a slow adapter. */
  readonly timed: ResolvedSpec;
}

/** What became of a variant. */
export interface Tried {
  readonly family: string;
  readonly variant: string;
  /** Milliseconds of the plan's dispatches together; absent where it was refused. */
  readonly time?: number;
  /** Why it was refused: its results are wrong, or the adapter cannot run it. */
  readonly refused?: string;
}

/** A trial's outcome: the fastest variant of every family that the adapter computes right. */
export interface Trial {
  readonly choices: VariantChoices;
  readonly tried: readonly Tried[];
}

function product(m: number, n: number, k: number): ResolvedSpec {
  const operand = (scheme: string, seed: number) => ({ scheme, input: { generate: 'normal', seed } });
  return resolveSpec({
    fp8lab: 1,
    kernel: 'gemm',
    name: `trial-${m}x${n}x${k}`,
    shape: { m, n, k },
    a: operand('activation-1x128-pow2', 1),
    b: operand('weight-128x128-pow2', 2),
    output: 'f32',
  });
}

/** Every family of variants there is. */
export const families: readonly Family[] = [
  {
    name: 'gemm',
    tier: 'fast',
    variants: fastVariants.map(({ name }) => name),
    verified: product(20, 516, 200),
    timed: product(256, 512, 512),
  },
];

const rounds = 4;

/** Largest difference from the reference that a fast variant may have, over the largest value. */
const tolerance = 2 ** -10;

/** Verifies and times every variant, and chooses. Leaves nothing on the device. `shaders` stand in for shipped ones. Throws where the device is lost. */
export async function runTrial({ device }: OwnedGpu, tried = families, shaders?: ShaderSources): Promise<Trial> {
  const outcomes: Tried[] = [];
  const choices: Record<string, string> = {};
  for (const family of tried) {
    const results = await tryFamily(device, family, shaders);
    const [best] = results.filter(({ time }) => time !== undefined).sort((a, b) => a.time! - b.time!);
    if (best !== undefined) choices[family.name] = best.variant;
    outcomes.push(...results);
  }
  return { choices, tried: outcomes };
}

/** Milliseconds that a variant takes, timed once. */
type Stopwatch = () => Promise<number>;

async function tryFamily(device: GPUDevice, family: Family, shaders?: ShaderSources): Promise<Tried[]> {
  const { verified, timed } = family;
  const kernel = kernelOf(verified);
  const small = materializeInputs(kernel.inputs(verified as never), {});
  const large = materializeInputs(kernel.inputs(timed as never), {});
  const expected = kernel.reference(verified as never, small);
  const stopwatches = new Map<string, Stopwatch>();
  const refused: Tried[] = [];
  const gpus = family.variants.map((variant) => ({
    variant,
    gpu: createGpu(device, { shaders, variants: { [family.name]: variant } }),
  }));
  try {
    for (const { variant, gpu } of gpus) {
      try {
        const wrong = difference(await kernel.webgpu(gpu, verified as never, small, family.tier), expected);
        if (wrong > tolerance) throw new Error(`differs from the reference by ${wrong}`);
        stopwatches.set(variant, await stopwatchOf(gpu, family, large));
      } catch (error) {
        // Nobody's fault but the device's: what is left of a trial then says nothing of variants.
        if (error instanceof Fp8labError && error.code === 'device-lost') throw error;
        refused.push({ family: family.name, variant, refused: error instanceof Error ? error.message : String(error) });
      }
    }
    const times = await inRounds(stopwatches);
    return [...times.entries()]
      .map(([variant, time]): Tried => ({ family: family.name, variant, time }))
      .concat(refused);
  } finally {
    for (const { gpu } of gpus) await gpu.destroyRun();
  }
}

/** Times the dispatches of a variant's plan together; the first, unmeasured time compiles. */
async function stopwatchOf(gpu: OwnedGpu, { timed, tier }: Family, inputs: Tensors): Promise<Stopwatch> {
  const recording = recorder(gpu);
  await kernelOf(timed).webgpu(recording.gpu, timed as never, inputs, tier);
  const stopwatch = async (): Promise<number> => (await gpu.time(recording.dispatches, 1)).wall;
  await stopwatch();
  return stopwatch;
}

/** The least of each one's times, one after the other in every round, so that a busy moment of the machine hits all. */
async function inRounds(stopwatches: ReadonlyMap<string, Stopwatch>): Promise<Map<string, number>> {
  const times = new Map<string, number>();
  for (let round = 0; round < rounds; round++) {
    for (const [variant, stopwatch] of stopwatches) {
      times.set(variant, Math.min(await stopwatch(), times.get(variant) ?? Number.POSITIVE_INFINITY));
    }
  }
  return times;
}

/** Largest difference of two f32 results over the largest value; anything but numbers is as wrong as can be. */
function difference(got: Tensors, want: Tensors): number {
  let most = 0;
  for (const [name, { codes }] of Object.entries(want)) {
    const [mine, theirs] = [new Float32Array(got[name]!.codes.buffer), new Float32Array(codes.buffer)];
    const scale = theirs.reduce((largest, value) => Math.max(largest, Math.abs(value)), 0);
    for (const [i, value] of theirs.entries()) {
      const error = Math.abs(mine[i]! - value) / scale;
      most = Math.max(most, Number.isNaN(error) ? Number.POSITIVE_INFINITY : error);
    }
  }
  return most;
}

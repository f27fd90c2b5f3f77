import { Fp8labError } from '../../errors.ts';
import { families, kernelOf } from '../../kernels/index.ts';
import { materializeInputs } from '../../kernels/inputs.ts';
import { farFrom } from '../../kernels/near.ts';
import { together } from '../../kernels/together.ts';
import { type Family, lackedBy, type SpecFields, type VariantChoices } from '../../kernels/variants.ts';
import { resolveSpec } from '../../specs/resolve.ts';
import type { ResolvedSpec } from '../../specs/types.ts';
import type { Tensors } from '../../tensors/tensor.ts';
import { createGpu, type OwnedGpu } from './device.ts';
import type { Dispatch } from './gpu.ts';
import type { ShaderSources } from './link.ts';
import { type BenchOptions, leastTime, recorder, timeInRounds } from './timing.ts';

/** What became of a variant. */
export interface Tried {
  readonly family: string;
  readonly variant: string;
  /** Milliseconds of the plans' dispatches together; absent where it was refused. */
  readonly time?: number;
  /** Why it was refused: its results are wrong, the adapter cannot run it, or it does not fit what is timed. */
  readonly refused?: string;
}

/** A trial's outcome: the fastest variant of every family that the adapter computes right; where there is none, the first. */
export interface Trial {
  readonly choices: VariantChoices;
  readonly tried: readonly Tried[];
}

/** How a trial is made, in place of the usual. */
export interface TrialOptions {
  /** Shaders in place of shipped ones. */
  readonly shaders?: ShaderSources;
  /** Timed in place of what the families say. */
  readonly timed?: readonly ResolvedSpec[];
  readonly measured?: BenchOptions;
}

/** Rounds in which variants are timed, and milliseconds that one is run for in each: a fast one several times, for timers are coarse. */
const shortly: BenchOptions = { samples: 3, batch: 4 };

/** Verifies and times every variant that the adapter has the features for, and chooses. Leaves nothing on the device. Throws where the device is lost. */
export async function runTrial(
  { device }: OwnedGpu,
  tried: readonly Family[] = families,
  options: TrialOptions = {},
): Promise<Trial> {
  const outcomes: Tried[] = [];
  const choices: Record<string, string> = {};
  for (const family of tried) {
    const results = await tryFamily(device, family, options);
    const [best] = results.filter(({ time }) => time !== undefined).sort((a, b) => a.time! - b.time!);
    choices[family.name] = (best ?? { variant: family.variants[0].name }).variant;
    outcomes.push(...results);
  }
  return { choices, tried: outcomes };
}

/** A spec with what it is run on. */
interface Case {
  readonly spec: ResolvedSpec;
  readonly inputs: Tensors;
}

const resolved = (fields: SpecFields): ResolvedSpec => resolveSpec({ fp8lab: 1, name: 'trial', ...fields });

function caseOf(spec: ResolvedSpec): Case {
  return { spec, inputs: materializeInputs(kernelOf(spec).inputs(spec as never), {}) };
}

async function tryFamily(device: GPUDevice, family: Family, options: TrialOptions): Promise<Tried[]> {
  const { shaders, timed, measured = shortly } = options;
  const has = (feature: string): boolean => device.features.has(feature);
  const able = family.variants.filter((variant) => lackedBy({ has }, variant).length === 0);
  const runs = able.map(({ name }) => createGpu(device, { shaders, variants: { [family.name]: name } }));
  const cases = casesOf(family, timed ?? family.timed.map(resolved));
  try {
    // Side by side, for most of it is compiling.
    const prepared = await together(runs.map((gpu, i) => prepare(gpu, `${family.name}=${able[i]!.name}`, cases)));
    const dispatches = prepared.filter((each) => typeof each !== 'string');
    const times = await timeInRounds(runs[0]!, withoutCommon(dispatches), measured);
    return able.map(({ name: variant }, i) => {
      const what = prepared[i]!;
      if (typeof what === 'string') return { family: family.name, variant, refused: what };
      return { family: family.name, variant, time: leastTime(times[dispatches.indexOf(what)]!) };
    });
  } finally {
    for (const gpu of runs) await gpu.destroyRun();
  }
}

/** What a family is tried on. */
interface Cases {
  readonly verified: readonly (Case & { readonly expected: Tensors })[];
  readonly timed: readonly Case[];
}

function casesOf(family: Family, timed: readonly ResolvedSpec[]): Cases {
  const verified = family.verified
    .map(resolved)
    .map(caseOf)
    .map((given) => ({
      ...given,
      expected: kernelOf(given.spec).reference(given.spec as never, given.inputs),
    }));
  return { verified, timed: timed.map(caseOf) };
}

/** The dispatches to be timed, or why the variant is refused. Throws where the device is lost, which is no variant's fault. */
async function prepare(
  gpu: OwnedGpu,
  variant: string,
  { verified, timed }: Cases,
): Promise<readonly Dispatch[] | string> {
  try {
    for (const { spec, inputs, expected } of verified) {
      const wrong = farFrom(await kernelOf(spec).webgpu(gpu, spec as never, inputs, 'fast'), expected);
      if (wrong !== undefined) return wrong;
    }
    gpu.taken.clear();
    const dispatches = await dispatchesOf(gpu, timed);
    return gpu.taken.has(variant) ? dispatches : 'does not fit the spec';
  } catch (error) {
    if (error instanceof Fp8labError && error.code === 'device-lost') throw error;
    return error instanceof Error ? error.message : String(error);
  }
}

/** The dispatches of cases, with their buffers still on the device. */
async function dispatchesOf(gpu: OwnedGpu, cases: readonly Case[]): Promise<readonly Dispatch[]> {
  const recording = recorder(gpu);
  for (const { spec, inputs } of cases) await kernelOf(spec).webgpu(recording.gpu, spec as never, inputs, 'fast');
  return recording.dispatches;
}

/** Runs without the dispatches that are the same in all of them: operands that are quantized first, say. */
function withoutCommon(runs: readonly (readonly Dispatch[])[]): readonly (readonly Dispatch[])[] {
  const keys = runs.map((run) => new Set(run.map(keyOf)));
  return runs.map((run) => run.filter((dispatch) => keys.some((others) => !others.has(keyOf(dispatch)))));
}

const keyOf = ({ shader, entryPoint, constants, substitutes, uniforms, threads }: Dispatch): string =>
  JSON.stringify([shader, entryPoint, constants, substitutes, uniforms, threads]);

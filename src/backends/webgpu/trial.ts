import { Fp8labError } from '../../errors.ts';
import { families, kernelOf } from '../../kernels/index.ts';
import { materializeInputs } from '../../kernels/inputs.ts';
import { farFrom } from '../../kernels/near.ts';
import { type Family, lackedBy, type SpecFields, type VariantChoices } from '../../kernels/variants.ts';
import { resolveSpec } from '../../specs/resolve.ts';
import type { ResolvedSpec } from '../../specs/types.ts';
import type { Tensors } from '../../tensors/tensor.ts';
import { createGpu, type OwnedGpu } from './device.ts';
import type { Dispatch } from './gpu.ts';
import type { ShaderSources } from './link.ts';
import { leastTime, recorder, timeInRounds } from './timing.ts';

/** What became of a variant. */
export interface Tried {
  readonly family: string;
  readonly variant: string;
  /** Milliseconds of the plans' dispatches together; absent where it was refused. */
  readonly time?: number;
  /** Why it was refused: its results are wrong, or the adapter cannot run it. */
  readonly refused?: string;
}

/** A trial's outcome: the fastest variant of every family that the adapter computes right; where there is none, the first. */
export interface Trial {
  readonly choices: VariantChoices;
  readonly tried: readonly Tried[];
}

/** Rounds in which variants are timed, and milliseconds that one is run for in each: a fast one several times, for timers are coarse. */
const measured = { samples: 3, batch: 4 };

/** Verifies and times every variant that the adapter has the features for, and chooses. Leaves nothing on the device. `shaders` stand in for shipped ones. Throws where the device is lost. */
export async function runTrial(
  { device }: OwnedGpu,
  tried: readonly Family[] = families,
  shaders?: ShaderSources,
): Promise<Trial> {
  const outcomes: Tried[] = [];
  const choices: Record<string, string> = {};
  for (const family of tried) {
    const results = await tryFamily(device, family, shaders);
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

function caseOf(fields: SpecFields): Case {
  const spec = resolveSpec({ fp8lab: 1, name: 'trial', ...fields });
  return { spec, inputs: materializeInputs(kernelOf(spec).inputs(spec as never), {}) };
}

async function tryFamily(device: GPUDevice, family: Family, shaders?: ShaderSources): Promise<Tried[]> {
  const verified = family.verified.map(caseOf).map((given) => ({
    ...given,
    expected: kernelOf(given.spec).reference(given.spec as never, given.inputs),
  }));
  const timed = family.timed.map(caseOf);
  const gpus: OwnedGpu[] = [];
  const dispatches = new Map<string, readonly Dispatch[]>();
  const refused: Tried[] = [];
  try {
    for (const { name } of family.variants.filter(
      (variant) => lackedBy({ has: (it) => device.features.has(it) }, variant).length === 0,
    )) {
      const gpu = createGpu(device, { shaders, variants: { [family.name]: name } });
      gpus.push(gpu);
      try {
        for (const { spec, inputs, expected } of verified) {
          const wrong = farFrom(await kernelOf(spec).webgpu(gpu, spec as never, inputs, 'fast'), expected);
          if (wrong !== undefined) throw new Error(wrong);
        }
        dispatches.set(name, await dispatchesOf(gpu, timed));
      } catch (error) {
        // Nobody's fault but the device's: what is left of a trial then says nothing of variants.
        if (error instanceof Fp8labError && error.code === 'device-lost') throw error;
        refused.push({
          family: family.name,
          variant: name,
          refused: error instanceof Error ? error.message : String(error),
        });
      }
    }
    const times = await timeInRounds(gpus[0]!, withoutCommon([...dispatches.values()]), measured);
    return [...dispatches.keys()]
      .map((variant, i): Tried => ({ family: family.name, variant, time: leastTime(times[i]!) }))
      .concat(refused);
  } finally {
    for (const gpu of gpus) await gpu.destroyRun();
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

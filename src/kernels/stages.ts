import type { Gpu } from '../backends/webgpu/gpu.ts';
import type { ResolvedSpec } from '../specs/types.ts';
import type { Tensors } from '../tensors/tensor.ts';
import type { Kernel, Tier } from './kernel.ts';

/** A step of a composed kernel: another kernel, on inputs that earlier steps gave. */
export interface Stage {
  /** What the step is in the whole: `gate`, `down`. */
  readonly name: string;
  readonly kernel: Kernel;
  readonly spec: ResolvedSpec;
  readonly inputs: Tensors;
}

/** The steps of a composed kernel: each is handed out, its tensors come back; the last gives the results. */
export type Stages = Generator<Stage, Tensors, Tensors>;

/** A step, its kernel and spec of one kind. */
export function stage<S extends ResolvedSpec>(name: string, kernel: Kernel<S>, spec: S, inputs: Tensors): Stage {
  return { name, kernel: kernel as unknown as Kernel, spec, inputs };
}

/** Computes every step by the references; `seen` is shown each step with its tensors. */
export function stagesByReference(stages: Stages, seen?: (stage: Stage, tensors: Tensors) => void): Tensors {
  let step = stages.next();
  while (!step.done) {
    const { kernel, spec, inputs } = step.value;
    const tensors = kernel.reference(spec, inputs);
    seen?.(step.value, tensors);
    step = stages.next(tensors);
  }
  return step.value;
}

/** Computes every step on a device. */
export async function stagesOnDevice(gpu: Gpu, stages: Stages, tier: Tier): Promise<Tensors> {
  let step = stages.next();
  while (!step.done) {
    const { kernel, spec, inputs } = step.value;
    step = stages.next(await kernel.webgpu(gpu, spec, inputs, tier));
  }
  return step.value;
}

import type { Gpu } from '../backends/webgpu/gpu.ts';
import type { AnyInput, KernelName, ResolvedSpec } from '../specs/types.ts';
import type { TensorDeclaration, Tensors } from '../tensors/tensor.ts';
import type { Family } from './variants.ts';

/** `exact`: the same bytes everywhere. `fast`: plain f32 on the GPU; its difference from exact is measured, never hidden. */
export type Tier = 'exact' | 'fast';

/** A tensor a kernel reads, and where the spec says it comes from. */
export interface InputDeclaration extends TensorDeclaration {
  readonly input: AnyInput;
}

/**
 * One operation in all its implementations. A kernel's tensors have the names of the contract in docs/architecture.md. An operand given in
 * high precision is quantized by its scheme first, inside the kernel; given as codes with scales, it is used as it is.
 */
export interface Kernel<S extends ResolvedSpec = ResolvedSpec> {
  readonly name: KernelName;
  /** Tensors the spec's own inputs give, before any quantization. */
  inputs(spec: S): readonly InputDeclaration[];
  /** Tensors a run returns. */
  results(spec: S): readonly TensorDeclaration[];
  /** The reference: plain, readable, exact. */
  reference(spec: S, inputs: Tensors): Tensors;
  /** Families of shaders among which its fast tier chooses; none where absent. */
  readonly families?: readonly Family[];
  /** The same on a WebGPU device. */
  webgpu(gpu: Gpu, spec: S, inputs: Tensors, tier: Tier): Promise<Tensors>;
}

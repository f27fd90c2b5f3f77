import type { Gpu } from '../backends/webgpu/gpu.ts';
import type { KernelName, ResolvedSpec } from '../specs/types.ts';
import type { TensorDeclaration, Tensors } from '../tensors/tensor.ts';

/** `exact`: the same bytes everywhere. `fast`: plain f32 on the GPU; its difference from exact is measured, never hidden. */
export type Tier = 'exact' | 'fast';

/**
 * One operation in all its implementations. `inputs` are the tensors a spec's operands and files give (see the tensor-name contract in
 * docs/architecture.md); a gemm operand given in high precision is quantized by its scheme first, inside the kernel.
 */
export interface Kernel<S extends ResolvedSpec = ResolvedSpec> {
  readonly name: KernelName;
  /** Tensors the spec's own inputs give, before any quantization. */
  inputs(spec: S): readonly TensorDeclaration[];
  /** Tensors a run returns. */
  results(spec: S): readonly TensorDeclaration[];
  /** The reference: plain, readable, exact. */
  reference(spec: S, inputs: Tensors): Tensors;
  /** The same on a WebGPU device. Absent tiers are refused by the backend. */
  webgpu(gpu: Gpu, spec: S, inputs: Tensors, tier: Tier): Promise<Tensors>;
}

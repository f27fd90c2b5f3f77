import type { GpuOptions } from '../../src/backends/webgpu/device.ts';
import { kernelOf } from '../../src/kernels/index.ts';
import type { Tier } from '../../src/kernels/kernel.ts';
import type { ResolvedSpec } from '../../src/specs/types.ts';
import type { Tensors } from '../../src/tensors/tensor.ts';
import { newGpu } from './gpu.ts';

/** A spec's results on the test device. */
export async function runOnGpu(
  spec: ResolvedSpec,
  inputs: Tensors,
  options: GpuOptions = {},
  tier: Tier = 'exact',
): Promise<Tensors> {
  const gpu = newGpu(options);
  try {
    return await kernelOf(spec).webgpu(gpu, spec, inputs, tier);
  } finally {
    await gpu.destroyRun();
  }
}

/** Elements that differ, as text: tensor, position, both codes; at most eight a tensor. Empty when all is equal. */
export function mismatches(got: Tensors, want: Tensors): string[] {
  const names = Object.keys(want);
  if (Object.keys(got).sort().join() !== [...names].sort().join())
    return [`tensors ${Object.keys(got)}, want ${names}`];
  return names.flatMap((name) => {
    const [mine, theirs] = [got[name]!, want[name]!];
    if (mine.dtype !== theirs.dtype || mine.shape.join() !== theirs.shape.join()) {
      return [`${name}: ${mine.dtype} [${mine.shape}], want ${theirs.dtype} [${theirs.shape}]`];
    }
    if (mine.codes.length !== theirs.codes.length)
      return [`${name}: ${mine.codes.length} lanes, want ${theirs.codes.length}`];
    const found: string[] = [];
    for (let i = 0; i < theirs.codes.length && found.length < 8; i++) {
      if (mine.codes[i] !== theirs.codes[i]) {
        found.push(`${name}[${i}] got ${mine.codes[i]!.toString(16)}, want ${theirs.codes[i]!.toString(16)}`);
      }
    }
    return found;
  });
}

/** {@link mismatches} of the device against the reference. */
export async function againstReference(
  spec: ResolvedSpec,
  inputs: Tensors,
  options: GpuOptions = {},
): Promise<string[]> {
  return mismatches(await runOnGpu(spec, inputs, options), kernelOf(spec).reference(spec, inputs));
}

import type { Gpu } from '../../backends/webgpu/gpu.ts';
import type { GroupedGemmSpec } from '../../specs/types.ts';
import type { Tensor, Tensors } from '../../tensors/tensor.ts';
import { operandOnHost } from '../dequantize/webgpu.ts';
import { productWebGpu } from '../gemm/webgpu.ts';
import type { Tier } from '../kernel.ts';
import type { Quantized } from '../quantize/reference.ts';
import { together } from '../together.ts';
import { GroupedResult, type GroupPart, groupProducts, remembered } from './products.ts';

/** D of every group on a device: group after group, each a product of its own. */
export async function groupedGemmWebGpu(gpu: Gpu, spec: GroupedGemmSpec, inputs: Tensors, tier: Tier): Promise<Tensor> {
  const result = new GroupedResult(spec);
  const quantize = remembered(({ name, operand, inputs: given, rows, columns }) =>
    operandOnHost(gpu, name, operand, given, rows, columns, tier),
  );
  const quantized = async (part: GroupPart): Promise<Quantized> =>
    'source' in part ? part.cut(await quantize(part.source)) : part;
  for (const product of groupProducts(spec, inputs)) {
    const [a, b] = await together([quantized(product.a), quantized(product.b)]);
    result.place(product, await productWebGpu(gpu, product.spec, a, b, product.c, tier));
  }
  return result.tensor;
}

import type { GroupedGemmSpec } from '../../specs/types.ts';
import type { Tensor, Tensors } from '../../tensors/tensor.ts';
import { quantizedOperand } from '../dequantize/reference.ts';
import { productReference } from '../gemm/reference.ts';
import type { Quantized } from '../quantize/reference.ts';
import { GroupedResult, type GroupPart, groupProducts, remembered } from './products.ts';

/** The operands of groups, quantized by the reference. */
export function partsByReference(): (part: GroupPart) => Quantized {
  const quantize = remembered(({ name, operand, inputs, rows, columns }) =>
    quantizedOperand(name, operand, inputs, rows, columns),
  );
  return (part) => ('source' in part ? part.cut(quantize(part.source)) : part);
}

/** D of every group: the product of its own rows (or k) and its own B, as a gemm of the group alone. docs/numerics.md, "Grouped products". */
export function groupedGemmReference(spec: GroupedGemmSpec, inputs: Tensors): Tensor {
  const result = new GroupedResult(spec);
  const quantized = partsByReference();
  for (const product of groupProducts(spec, inputs)) {
    const d = productReference(product.spec, quantized(product.a), quantized(product.b), product.c);
    result.place(product, d);
  }
  return result.tensor;
}

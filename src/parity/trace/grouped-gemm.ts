import { type GroupProduct, groupProducts } from '../../kernels/grouped-gemm/products.ts';
import { partsByReference } from '../../kernels/grouped-gemm/reference.ts';
import type { GroupedGemmSpec } from '../../specs/types.ts';
import type { Tensors } from '../../tensors/tensor.ts';
import { productTracer } from './gemm.ts';
import type { Derivation, Tracer } from './quantize.ts';
import { quantity, type TraceSection } from './steps.ts';

/** Derives elements of a grouped gemm's D: which group, which of its rows, then the product of that group. */
export function groupedGemmTracer(spec: GroupedGemmSpec, inputs: Tensors): Tracer {
  const products = groupProducts(spec, inputs);
  const quantized = partsByReference();
  let last: { product: GroupProduct; derive: (row: number, column: number) => Derivation } | undefined;
  const deriverOf = (product: GroupProduct): ((row: number, column: number) => Derivation) => {
    if (last?.product !== product) {
      const derive = productTracer(product.spec, quantized(product.a), quantized(product.b), product.c);
      last = { product, derive };
    }
    return last.derive;
  };
  return (_, coordinates) => {
    const [row, column] = coordinates.slice(-2) as [number, number];
    const at = (coordinates.length === 3 ? coordinates[0]! * spec.shape.m : 0) + row;
    const product = products.find(({ firstRow, spec: { shape } }) => at >= firstRow && at < firstRow + shape.m);
    if (product === undefined) return padding(spec, row);
    const { sections, result } = deriverOf(product)(at - product.firstRow, column);
    return { sections: [groupSection(spec, product, at - product.firstRow), ...sections], result };
  };
}

function padding({ output }: GroupedGemmSpec, row: number): Derivation {
  const result = quantity('d', 0, output);
  return { sections: [{ title: 'Group', text: `row ${row} belongs to no group: +0`, steps: [] }], result };
}

function groupSection({ layout }: GroupedGemmSpec, { range }: GroupProduct, row: number): TraceSection {
  const { group, start, count } = range;
  const text =
    layout !== 'k-grouped'
      ? `row ${row} of the ${count} of group ${group}; B is matrix ${group}`
      : count === 0
        ? `group ${group} has no k: its product is +0, written as one product of zeros`
        : `group ${group} has k ${start} to ${start + count - 1} of A and B, counted from 0 below`;
  return { title: 'Group', text, steps: [] };
}

import type { AnyInput, GroupedGemmSpec } from '../../specs/types.ts';
import { dtypeOfFormat, type TensorDeclaration } from '../../tensors/tensor.ts';
import { declareInput, declareIntegers, declareOperand } from '../inputs.ts';
import type { InputDeclaration } from '../kernel.ts';
import { groupLayoutShape, layoutOfSizes } from './layout.ts';
import { declareStack } from './operands.ts';
import { groupedResultShape } from './products.ts';

/** A and B as matrices or stacks of them, the group layout, C where the spec has one. */
export function groupedGemmInputs(spec: GroupedGemmSpec): readonly InputDeclaration[] {
  const { groups, m, n, k } = spec.shape;
  const a = spec.layout === 'masked' ? declareStack('a', spec.a, groups, m, k) : declareOperand('a', spec.a, m, k);
  const b = spec.layout === 'k-grouped' ? declareOperand('b', spec.b, n, k) : declareStack('b', spec.b, groups, n, k);
  const declarations = [...a, ...b, declareIntegers('group_layout', layoutInput(spec), groupLayoutShape(spec))];
  return spec.c === undefined
    ? declarations
    : [...declarations, declareInput('c', spec.c.input, groupedResultShape(spec))];
}

/** D in the output format. */
export function groupedGemmResults(spec: GroupedGemmSpec): readonly TensorDeclaration[] {
  return [{ name: 'd', dtype: dtypeOfFormat[spec.output], shape: groupedResultShape(spec) }];
}

/** `group_layout` as the spec's sizes give it, or from its file. */
function layoutInput(spec: GroupedGemmSpec): AnyInput {
  if (spec.groupLayout !== undefined) return spec.groupLayout;
  return { generate: 'values', dtype: 'i32', values: layoutOfSizes(spec, spec.sizes ?? []) };
}

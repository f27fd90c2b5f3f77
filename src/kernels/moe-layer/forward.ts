import { allExperts, type MoeFields, moeRows, slotsOf } from '../../specs/kernels/moe-layer.ts';
import type { GateSpec, GroupedGemmSpec, Input, Operand, PermuteSpec, SwigluQuantizeSpec } from '../../specs/types.ts';
import type { Tensor, Tensors } from '../../tensors/tensor.ts';
import { gateKernel } from '../gate/kernel.ts';
import { groupedGemmKernel } from '../grouped-gemm/kernel.ts';
import { NOWHERE } from '../indices.ts';
import { operandNames } from '../inputs.ts';
import { permuteKernel } from '../permute/kernel.ts';
import { type Stage, stage } from '../stages.ts';
import { swigluQuantizeKernel } from '../swiglu-quantize/kernel.ts';
import { requireTensor } from '../tiles.ts';

/** What every stage's spec has; stages read tensors by name, and their specs' own inputs are never made. */
export const stageBase = { fp8lab: 1, name: 'stage', description: '', large: false } as const;
export const given: Input = { generate: 'zero', seed: 0, dtype: 'bf16', exponent: 0, share: 0, factorExponent: 0 };
const slots = { file: '', tensor: 'topk_idx' };

/** The tensors of a layer's first half: where tokens go, and the first product with what it was made of. */
export interface Routed {
  readonly topkIdx: Tensor;
  readonly topkWeights: Tensor;
  /** Codes and scales of x by expert, and the maps: the results of permute. */
  readonly moved: Tensors;
  /** Gate and up [rows, 2 * inter], bf16. */
  readonly h: Tensor;
}

/** The gate of a layer as a stage. */
export function gateStage(spec: MoeFields, inputs: Tensors): Stage {
  const { tokens, experts } = spec.shape;
  const gate: GateSpec = {
    ...stageBase,
    kernel: 'gate',
    shape: { tokens, experts },
    gate: spec.gate,
    logits: spec.logits,
    ...(spec.bias && { bias: spec.bias }),
    ...(spec.mask && { mask: spec.mask }),
  };
  return stage('gate', gateKernel, gate, inputs);
}

/** Tokens sorted by expert. */
export function permuteStage(spec: MoeFields, x: Operand, inputs: Tensors, topkIdx: Tensor): Stage {
  const { tokens, hidden } = spec.shape;
  const permute: PermuteSpec = {
    ...stageBase,
    kernel: 'permute',
    shape: { tokens, hidden, experts: allExperts(spec), topk: slotsOf(spec) },
    alignment: spec.alignment,
    x,
    topkIdx: slots,
  };
  const { x: values, codes, scales, tensor_scale } = inputs;
  const rows = { ...(values && { x: values }), ...(codes && { codes }), ...(scales && { scales }) };
  return stage('permute', permuteKernel, permute, {
    ...rows,
    ...(tensor_scale && { tensor_scale }),
    topk_idx: topkIdx,
  });
}

/** A product of every expert's rows [rows, k] by its weights [experts, n, k], bf16. */
export function productStage(
  name: string,
  spec: MoeFields,
  a: { readonly operand: Operand; readonly tensors: Tensors },
  b: { readonly operand: Operand; readonly tensors: Tensors },
  extents: { readonly n: number; readonly k: number },
  moved: Tensors,
): Stage {
  const product: GroupedGemmSpec = {
    ...stageBase,
    kernel: 'grouped-gemm',
    layout: 'contiguous',
    shape: { groups: allExperts(spec), m: moeRows(spec), ...extents },
    alignment: spec.alignment,
    sizes: [],
    a: a.operand,
    b: b.operand,
    arithmetic: spec.arithmetic,
    output: 'bf16',
  };
  return stage(name, groupedGemmKernel, product, { ...a.tensors, ...b.tensors, group_layout: groupOfRows(moved) });
}

/** Codes and scales under an operand's names: `a`, `a_scales`. */
export function operandTensors(name: 'a' | 'b', { codes, scales, tensor_scale }: Tensors): Tensors {
  const names = operandNames(name);
  return {
    [names.codes]: codes!,
    [names.scales]: scales!,
    ...(tensor_scale && { [names.tensorScale]: tensor_scale }),
  };
}

/** A weight's tensors under the name `b`. */
export function weightTensors(name: 'w13' | 'w2', inputs: Tensors): Tensors {
  const [from, to] = [operandNames(name), operandNames('b')];
  const tensors = Object.entries({
    [to.codes]: from.codes,
    [to.scales]: from.scales,
    [to.tensorScale]: from.tensorScale,
  });
  return Object.fromEntries(tensors.flatMap(([b, w]) => (inputs[w] === undefined ? [] : [[b, inputs[w]]])));
}

/** An operand of given codes and scales. */
export function quantizedBy(scheme: Operand['scheme']): Operand {
  return { scheme, codes: given, scales: given };
}

/** The expert of every row, -1 for padding: DeepGEMM's m_indices. */
export function groupOfRows(moved: Tensors): Tensor {
  const { counts, offsets, row_to_slot } = moved;
  const groups = new Uint32Array(row_to_slot!.codes.length).fill(NOWHERE);
  counts!.codes.forEach((count, expert) => {
    const start = offsets!.codes[expert]!;
    groups.fill(expert, start, start + count);
  });
  return { dtype: 'I32', shape: [groups.length], codes: groups };
}

/** The activation between the products; `weights` are those of the rows. */
export function activationStage(spec: MoeFields, { h, moved }: Routed, weights?: Tensor): Stage {
  const swiglu: SwigluQuantizeSpec = {
    ...stageBase,
    kernel: 'swiglu-quantize',
    shape: { rows: moeRows(spec), inter: spec.shape.inter },
    x: { input: given },
    ...(spec.clamp !== undefined && { clamp: spec.clamp }),
    scheme: spec.activation,
  };
  const rows = { x: h, row_to_slot: requireTensor(moved, 'row_to_slot') };
  return stage('activation', swigluQuantizeKernel, swiglu, weights === undefined ? rows : { ...rows, weights });
}

/** Gate, permutation, and the product by the gate and up projections. */
export function* routedStages(spec: MoeFields, inputs: Tensors): Generator<Stage, Routed, Tensors> {
  const { hidden, inter } = spec.shape;
  const { topk_idx, topk_weights } = yield gateStage(spec, inputs);
  const moved = yield permuteStage(spec, spec.x, inputs, topk_idx!);
  const { d } = yield productStage(
    'gate-up',
    spec,
    { operand: quantizedBy(spec.x.scheme), tensors: operandTensors('a', moved) },
    { operand: spec.w13, tensors: weightTensors('w13', inputs) },
    { n: 2 * inter, k: hidden },
    moved,
  );
  return { topkIdx: topk_idx!, topkWeights: topk_weights!, moved, h: d! };
}

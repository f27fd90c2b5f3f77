import type { Scheme } from '../../numerics/scheme.ts';
import { allExperts, type MoeFields, moeRows, slotsOf } from '../../specs/kernels/moe-layer.ts';
import { transposedScheme } from '../../specs/kernels/moe-layer-backward.ts';
import type {
  GroupedGemmSpec,
  MoeLayerBackwardSpec,
  QuantizeSpec,
  RequantizeSpec,
  SwigluBackwardSpec,
  UnpermuteSpec,
} from '../../specs/types.ts';
import type { Tensor, Tensors } from '../../tensors/tensor.ts';
import { operandInputs } from '../dequantize/reference.ts';
import { groupedGemmKernel } from '../grouped-gemm/kernel.ts';
import { layerInputs } from '../grouped-gemm/operands.ts';
import { integers, NOWHERE } from '../indices.ts';
import {
  activationStage,
  given,
  operandTensors,
  permuteStage,
  productStage,
  quantizedBy,
  routedStages,
  stageBase,
} from '../moe-layer/forward.ts';
import { quantizeKernel } from '../quantize/kernel.ts';
import type { Quantized } from '../quantize/reference.ts';
import { requantizeKernel } from '../requantize/kernel.ts';
import { type Stage, type Stages, stage } from '../stages.ts';
import { swigluBackwardKernel } from '../swiglu-backward/kernel.ts';
import { requireTensor } from '../tiles.ts';
import { stackTensors, transposeQuantized } from '../transpose.ts';
import { unpermuteKernel } from '../unpermute/kernel.ts';

/**
 * The backward pass. The forward's first half is computed again; dy is quantized and permuted; products by transposed weights give the data
 * gradients; everything that weight gradients read is requantized from 1x128 to 128x1 tiles (DeepSeek-V3 report, section 3.3.3).
 */
export function* moeLayerBackwardStages(spec: MoeLayerBackwardSpec, inputs: Tensors): Stages {
  const { hidden, inter } = spec.shape;
  const routed = yield* routedStages(spec, inputs);
  const { moved, topkIdx, topkWeights } = routed;
  const weights = weightsOfRows(topkWeights, moved);
  const gradient = { scheme: spec.gradient, input: spec.dy.input };
  const dy = yield permuteStage(spec, gradient, { x: requireTensor(inputs, 'dy') }, topkIdx);
  const { d: dact } = yield productStage(
    'down, data gradient',
    spec,
    { operand: quantizedBy(spec.gradient), tensors: operandTensors('a', dy) },
    yield* transposedWeights('w2', spec, inputs, hidden, inter),
    { n: inter, k: hidden },
    moved,
  );
  const swiglu = yield backwardActivation(spec, routed.h, dact!, weights, moved);
  const { d: dxRows } = yield productStage(
    'gate-up, data gradient',
    spec,
    { operand: quantizedBy(spec.gradient), tensors: operandTensors('a', swiglu) },
    yield* transposedWeights('w13', spec, inputs, 2 * inter, hidden),
    { n: hidden, k: 2 * inter },
    moved,
  );
  const { x: dx } = yield sumStage(spec, dxRows!, moved);
  const activation = yield activationStage(spec, routed, weights);
  const along = {
    x: { tensors: moved, scheme: spec.x.scheme, columns: hidden },
    h: { tensors: swiglu, scheme: spec.gradient, columns: 2 * inter },
    activation: { tensors: activation, scheme: spec.activation, columns: inter },
    y: { tensors: dy, scheme: spec.gradient, columns: hidden },
  };
  const dw13 = yield* weightGradient('gate-up', spec, moved, along.h, along.x);
  const dw2 = yield* weightGradient('down', spec, moved, along.y, along.activation);
  return { dx: dx!, dw13, dw2, dweights: weightsOfSlots(swiglu.dweights!, moved) };
}

/** The weight of every row's slot; 0 for padding. */
function weightsOfRows(topkWeights: Tensor, { row_to_slot }: Tensors): Tensor {
  const codes = Uint32Array.from(row_to_slot!.codes, (slot) => (slot === NOWHERE ? 0 : topkWeights.codes[slot]!));
  return { dtype: 'F32', shape: [codes.length], codes };
}

/** The gradient of every slot's weight; 0 where it has no row. */
function weightsOfSlots(rows: Tensor, { slot_to_row }: Tensors): Tensor {
  const codes = Uint32Array.from(slot_to_row!.codes, (row) => (row === NOWHERE ? 0 : rows.codes[row]!));
  return { dtype: 'F32', shape: slot_to_row!.shape, codes };
}

function backwardActivation(
  spec: MoeLayerBackwardSpec,
  h: Tensor,
  grad: Tensor,
  weights: Tensor,
  moved: Tensors,
): Stage {
  const swiglu: SwigluBackwardSpec = {
    ...stageBase,
    kernel: 'swiglu-backward',
    shape: { rows: moeRows(spec), inter: spec.shape.inter },
    x: { input: given },
    grad: { input: given },
    weights: { input: given },
    ...(spec.clamp !== undefined && { clamp: spec.clamp }),
    scheme: spec.gradient,
  };
  const tensors = { x: h, grad, weights, row_to_slot: moved.row_to_slot! };
  return stage('activation, gradient', swigluBackwardKernel, swiglu, tensors);
}

/** Sums the rows of every token's slots: the weights are in the rows already. */
function sumStage(spec: MoeFields, x: Tensor, moved: Tensors): Stage {
  const unpermute: UnpermuteSpec = {
    ...stageBase,
    kernel: 'unpermute',
    shape: { tokens: spec.shape.tokens, hidden: spec.shape.hidden, topk: slotsOf(spec), rows: moeRows(spec) },
    x: { input: given },
    slotToRow: { file: '', tensor: 'slot_to_row' },
    output: 'bf16',
  };
  return stage('unpermute', unpermuteKernel, unpermute, { x, slot_to_row: moved.slot_to_row! });
}

/** Weights [experts, rows, columns] quantized as in the forward pass, then transposed, as an operand `b`. */
function* transposedWeights(
  name: 'w13' | 'w2',
  spec: MoeLayerBackwardSpec,
  inputs: Tensors,
  rows: number,
  columns: number,
): Generator<Stage, Parameters<typeof productStage>[3], Tensors> {
  const operand = spec[name];
  const layers: Quantized[] = [];
  for (let expert = 0; expert < allExperts(spec); expert++) {
    const layer = layerInputs(name, operand, inputs, expert, [allExperts(spec), rows, columns]);
    const found = operandInputs(name, operand, layer, rows, columns);
    const quantized = 'x' in found ? quantizedOf(yield quantizeStage(name, operand.scheme, found.x)) : found.quantized;
    layers.push(transposeQuantized(quantized, operand.scheme));
  }
  const tensorScales = layers.flatMap(({ tensorScale }) => tensorScale ?? []);
  const tensors = {
    codes: stackTensors(layers.map(({ codes }) => codes)),
    scales: stackTensors(layers.map(({ scales }) => scales)),
    ...(tensorScales.length > 0 && { tensor_scale: { ...stackTensors(tensorScales), shape: [layers.length] } }),
  };
  return { operand: quantizedBy(transposedScheme(operand.scheme)), tensors: operandTensors('b', tensors) };
}

function quantizeStage(name: string, scheme: Scheme, x: Tensor): Stage {
  const [rows, columns] = x.shape as [number, number];
  const quantize: QuantizeSpec = {
    ...stageBase,
    kernel: 'quantize',
    shape: { rows, columns },
    x: { input: given },
    scheme,
  };
  return stage(`${name}, quantized`, quantizeKernel, quantize, { x });
}

function quantizedOf({ codes, scales, tensor_scale }: Tensors): Quantized {
  return { codes: codes!, scales: scales!, ...(tensor_scale && { tensorScale: tensor_scale }) };
}

/** Rows of experts that are multiplied along the rows: codes and scales, their scheme, their columns. */
interface Rows {
  readonly tensors: Tensors;
  readonly scheme: Scheme;
  readonly columns: number;
}

/** dW [experts, columns of a, columns of b] = the sum over each expert's rows of a^T b, in f32. */
function* weightGradient(
  name: string,
  spec: MoeLayerBackwardSpec,
  moved: Tensors,
  a: Rows,
  b: Rows,
): Generator<Stage, Tensor, Tensors> {
  const channel = transposedScheme(spec.channel);
  const left = yield* alongTokens(name, spec, a);
  const right = yield* alongTokens(name, spec, b);
  const { counts, offsets } = moved;
  const ends = Uint32Array.from(counts!.codes, (count, expert) => offsets!.codes[expert]! + count);
  const product: GroupedGemmSpec = {
    ...stageBase,
    kernel: 'grouped-gemm',
    layout: 'k-grouped',
    shape: { groups: allExperts(spec), m: a.columns, n: b.columns, k: moeRows(spec) },
    alignment: spec.alignment,
    sizes: [],
    a: quantizedBy(channel),
    b: quantizedBy(channel),
    arithmetic: spec.arithmetic,
    output: 'f32',
  };
  const { d } = yield stage(`${name}, weight gradient`, groupedGemmKernel, product, {
    ...operandTensors('a', left),
    ...operandTensors('b', right),
    group_layout: integers(ends, [ends.length]),
  });
  return d!;
}

/** Rows requantized along tokens and transposed: [columns, rows]. */
function* alongTokens(
  name: string,
  spec: MoeLayerBackwardSpec,
  { tensors, scheme, columns }: Rows,
): Generator<Stage, Tensors, Tensors> {
  const requantize: RequantizeSpec = {
    ...stageBase,
    kernel: 'requantize',
    shape: { rows: moeRows(spec), columns },
    x: quantizedBy(scheme),
    to: spec.channel,
  };
  const { codes, scales, tensor_scale } = tensors;
  const rows = { codes: codes!, scales: scales!, ...(tensor_scale && { tensor_scale }) };
  const along = yield stage(`${name}, requantized`, requantizeKernel, requantize, rows);
  const transposed = transposeQuantized(quantizedOf(along), spec.channel);
  const { tensorScale } = transposed;
  return {
    codes: transposed.codes,
    scales: transposed.scales,
    ...(tensorScale && { tensor_scale: tensorScale }),
  };
}

import { moeRows, slotsOf } from '../../specs/kernels/moe-layer.ts';
import type { MoeLayerSpec, UnpermuteSpec } from '../../specs/types.ts';
import type { Tensors } from '../../tensors/tensor.ts';
import { type Stages, stage } from '../stages.ts';
import { unpermuteKernel } from '../unpermute/kernel.ts';
import {
  activationStage,
  given,
  operandTensors,
  productStage,
  quantizedBy,
  routedStages,
  stageBase,
  weightTensors,
} from './forward.ts';

/** The forward pass: gate, permute, gate-up product, activation, down product, unpermute. */
export function* moeLayerStages(spec: MoeLayerSpec, inputs: Tensors): Stages {
  const { tokens, hidden, inter } = spec.shape;
  const routed = yield* routedStages(spec, inputs);
  const { topkIdx, topkWeights, moved } = routed;
  const activation = yield activationStage(spec, routed);
  const { d } = yield productStage(
    'down',
    spec,
    { operand: quantizedBy(spec.activation), tensors: operandTensors('a', activation) },
    { operand: spec.w2, tensors: weightTensors('w2', inputs) },
    { n: hidden, k: inter },
    moved,
  );
  const unpermute: UnpermuteSpec = {
    ...stageBase,
    kernel: 'unpermute',
    shape: { tokens, hidden, topk: slotsOf(spec), rows: moeRows(spec) },
    x: { input: given },
    slotToRow: { file: '', tensor: 'slot_to_row' },
    topkWeights: { input: given },
    output: spec.output,
  };
  const sources = { x: d!, slot_to_row: moved.slot_to_row!, topk_weights: topkWeights };
  const { x: y } = yield stage('unpermute', unpermuteKernel, unpermute, sources);
  return { y: y!, topk_idx: topkIdx, topk_weights: topkWeights };
}

import type { Builder, Row } from './builder.ts';
import type { Scenario } from './scenario.ts';

/** The order of a step's tasks on each GPU's streams, by phase and overlap. */
export function orderOf({ phase, overlap }: Scenario): (builder: Builder) => void {
  if (phase === 'training') return overlap === 'none' ? trainingApart : trainingPair;
  if (overlap === 'none') return sequential;
  return phase === 'prefill' ? overlappedPrefill : overlappedDecode;
}

function sequential(builder: Builder): void {
  let done = builder.dense();
  for (let layer = 0; layer < builder.moeLayers; layer++) {
    const attended = builder.attention(done);
    // The shared experts need no all-to-all and hide some of the dispatch even so.
    const arrived = builder.dispatch(layer, attended);
    builder.shared(attended);
    done = builder.combine(layer, builder.experts(layer, arrived));
  }
  builder.finish(done);
}

/** DeepSeek's prefill: attention and experts of one micro-batch beside dispatch and combine of the other (profile-data, prefill). */
function overlappedPrefill(builder: Builder): void {
  let zero = builder.of(0).dense();
  let one = builder.of(1).dense();
  let rest: Row | undefined;
  for (let layer = 0; layer < builder.moeLayers; layer++) {
    const attendedOne = builder.of(1).attention(one);
    const arrivedOne = builder.dispatch(layer, attendedOne);
    if (rest !== undefined) builder.of(0).shared(rest);
    const attendedZero = builder.of(0).attention(zero);
    const arrivedZero = builder.dispatch(layer, attendedZero);
    one = builder.of(1).combine(layer, builder.experts(layer, arrivedOne));
    zero = builder.of(0).combine(layer, builder.experts(layer, arrivedZero));
    builder.of(1).shared(attendedOne);
    rest = attendedZero;
  }
  if (rest !== undefined) builder.of(0).shared(rest);
  builder.finish(zero);
  builder.of(1).finish(one);
}

/** DeepSeek's decode: attention in two parts, so that each all-to-all of one micro-batch has about as much of the other beside it (profile-data, decode). */
function overlappedDecode(builder: Builder): void {
  let zero = builder.of(0).dense();
  let one = builder.of(1).dense();
  let attendedZero = builder.of(0).attention(zero);
  let arrivedZero = builder.dispatch(0, attendedZero);
  for (let layer = 0; layer < builder.moeLayers; layer++) {
    builder.of(0).shared(attendedZero);
    const projectedOne = builder.of(1).projections(one);
    zero = builder.of(0).combine(layer, builder.experts(layer, arrivedZero));
    const attendedOne = builder.of(1).core(projectedOne);
    const arrivedOne = builder.dispatch(layer, attendedOne);
    builder.shared(attendedOne);
    const last = layer === builder.moeLayers - 1;
    const projectedZero = last ? undefined : builder.of(0).projections(zero);
    one = builder.of(1).combine(layer, builder.experts(layer, arrivedOne));
    if (projectedZero === undefined) continue;
    attendedZero = builder.of(0).core(projectedZero);
    arrivedZero = builder.dispatch(layer + 1, attendedZero);
  }
  builder.of(0).finish(zero);
  builder.of(1).finish(one);
}

/**
 * DualPipe's pair of chunks: the forward of one micro-batch beside the backward of another, layer by layer in the order of the V3 report's figure 4 (profile-data,
 * train): attention forward, experts back, their weights, experts forward, attention back, its weights. A combine's gradient is dispatched, a dispatch's combined.
 */
function trainingPair(builder: Builder): void {
  let forward: Row | undefined;
  let backward = builder.of(1).dispatch(builder.moeLayers - 1);
  for (let layer = 0; layer < builder.moeLayers; layer++) {
    const mirrored = builder.moeLayers - 1 - layer;
    const attended = builder.of(0).attention(forward);
    const arrived = builder.dispatch(layer, attended);
    const experts = builder.of(1).expertsInputs(mirrored, backward);
    const returned = builder.combine(mirrored, experts);
    builder.expertsWeights(mirrored, experts);
    builder.of(0).shared(attended);
    forward = builder.combine(layer, builder.experts(layer, arrived));
    const attention = builder.of(1).attentionInputs(returned);
    if (mirrored > 0) backward = builder.dispatch(mirrored - 1, attention);
    builder.attentionWeights(attention);
  }
}

/** Forward and backward one after the other, nothing hidden but by the shared experts and the weights. */
function trainingApart(builder: Builder): void {
  let done: Row | undefined;
  for (let layer = 0; layer < builder.moeLayers; layer++) {
    const attended = builder.of(0).attention(done);
    const arrived = builder.dispatch(layer, attended);
    builder.shared(attended);
    done = builder.combine(layer, builder.experts(layer, arrived));
  }
  for (let layer = builder.moeLayers - 1; layer >= 0; layer--) {
    const experts = builder.of(1).expertsInputs(layer, builder.dispatch(layer, done));
    const returned = builder.combine(layer, experts);
    builder.expertsWeights(layer, experts);
    done = builder.attentionInputs(returned);
    builder.attentionWeights(done);
  }
}

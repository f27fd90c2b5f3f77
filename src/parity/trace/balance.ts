import { balanceCounts, balanceLossReference, bitsOfUnits } from '../../kernels/balance-loss/reference.ts';
import { biasUpdateLanes } from '../../kernels/bias-update/reference.ts';
import { loadStatisticsLanes } from '../../kernels/load-statistics/reference.ts';
import { addBits, bitsOf, fmaBits, NAN_BITS } from '../../numerics/f32.ts';
import type { BalanceLossSpec, BiasUpdateSpec, LoadStatisticsSpec } from '../../specs/types.ts';
import type { Tensors } from '../../tensors/tensor.ts';
import type { Tracer } from './quantize.ts';
import { codeOf, f32, f32Value, i32, type Quantity, Recorder } from './steps.ts';

const sumOf = (counts: Uint32Array): number => counts.reduce((sum, count) => sum + count, 0);

/** Derives biases: each is moved by gamma, against its load. */
export function biasUpdateTracer(spec: BiasUpdateSpec, inputs: Tensors): Tracer {
  const { bias, load } = biasUpdateLanes(spec, inputs);
  const total = sumOf(load);
  return (_, [expert]) => {
    const recorder = new Recorder();
    const own = load[expert!]! * spec.shape.experts;
    const before = f32('bias', bias[expert!]!);
    const compared = `load * experts is ${own}, the sum of all loads ${total}`;
    recorder.record('read', compared, [], i32('load', load[expert!]!));
    const gamma = f32('gamma', bitsOf(own < total ? spec.gamma : -spec.gamma));
    const result =
      own === total
        ? recorder.record('read', 'an even load moves nothing', [before], before)
        : recorder.record(
            'add',
            'fl(bias + gamma)',
            [before, gamma],
            f32('bias', addBits(codeOf(before), codeOf(gamma))),
          );
    return { sections: [recorder.section(`Bias of expert ${expert}`)], result };
  };
}

/** fl(a / b) of whole numbers. */
function ratio(recorder: Recorder, name: string, a: number, b: number): Quantity {
  return recorder.divide(name, f32Value('whole', a), f32Value('of', b));
}

/** Derives loads and what they are worth. */
export function loadStatisticsTracer(spec: LoadStatisticsSpec, inputs: Tensors): Tracer {
  const { tokens, experts, topk } = spec.shape;
  const load = new Uint32Array(experts);
  for (const expert of loadStatisticsLanes(spec, inputs)) if (expert < experts) load[expert]!++;
  return (tensor, [expert]) => {
    const recorder = new Recorder();
    const count = recorder.record('count', 'slots of the expert', [], i32('load', load[expert!]!));
    const section = () => [recorder.section('Load')];
    if (tensor === 'load') return { sections: section(), result: count };
    if (tensor === 'fraction') {
      const result = ratio(recorder, 'fraction', load[expert!]! * experts, tokens * topk);
      return { sections: section(), result };
    }
    const total = sumOf(load);
    const largest = Math.max(...load);
    if (total > 0) return { sections: section(), result: ratio(recorder, 'imbalance', largest * experts, total) };
    return { sections: section(), result: recorder.record('read', 'no slot is used', [], f32('imbalance', 0)) };
  };
}

/** Derives the loss and its factors. */
export function balanceLossTracer(spec: BalanceLossSpec, inputs: Tensors): Tracer {
  const { tokens, experts } = spec.shape;
  const counts = balanceCounts(spec, inputs);
  const all = balanceLossReference(spec, inputs);
  return (tensor, [expert]) => {
    const recorder = new Recorder();
    if (tensor === 'f') {
      const result = ratio(recorder, 'f', counts.load[expert!]! * experts, spec.topk * tokens);
      return { sections: [recorder.section('How often the expert was chosen')], result };
    }
    if (tensor === 'p') {
      const sum = f32('sum of shares', bitsOfUnits(counts.units[expert!]!));
      const result = recorder.divide('p', sum, f32Value('tokens', tokens));
      return { sections: [recorder.section('Mean share of the scores')], result };
    }
    if (counts.undefinedToken) {
      const result = recorder.record('read', 'a token has NaN among its scores', [], f32('loss', NAN_BITS));
      return { sections: [recorder.section('Loss')], result };
    }
    let sum = f32('sum', 0);
    for (let i = 0; i < experts; i++) {
      const [f, p] = [f32(`f ${i}`, all.f!.codes[i]!), f32(`p ${i}`, all.p!.codes[i]!)];
      const next = f32('sum', fmaBits(codeOf(f), codeOf(p), codeOf(sum)));
      sum = recorder.record('fma', 'fma(f, p, sum)', [f, p, sum], next);
    }
    const result = recorder.multiply('loss', f32('alpha', bitsOf(spec.alpha)), sum);
    return { sections: [recorder.section('Loss')], result };
  };
}

import type { TensorCoreModel } from '../../../numerics/arithmetic.ts';
import { encodeLanes } from '../../../numerics/codec.ts';
import { formats } from '../../../numerics/formats.ts';
import { blockSum } from '../../../numerics/tensor-core.ts';
import { modelPresets } from '../../../specs/presets.ts';
import { type GeneratedInput, generate } from '../../../tensors/generate.ts';

/** A way to sum: a model and how often its sum is moved out to f32 (0: never). */
export interface CurveSeries {
  readonly name: string;
  readonly model: keyof typeof modelPresets;
  readonly promoteEvery: number;
}

/** What is measured: dot products of `trials` pairs of rows, for k = 128, 256 ... up to `mostK`. */
export interface CurveRequest {
  readonly series: readonly CurveSeries[];
  readonly values: 'normal' | 'positive';
  readonly trials: number;
  readonly mostK: number;
  readonly seed: number;
}

/** Root mean square of the error over that of the exact sums, and the largest error over the latter. */
export interface CurvePoint {
  readonly series: string;
  readonly k: number;
  readonly error: number;
  readonly largest: number;
  /** Points done and points in all. */
  readonly done: number;
  readonly total: number;
}

/** k at which errors are measured. */
export function curveLengths(mostK: number): number[] {
  const lengths: number[] = [];
  for (let k = 128; k <= mostK; k *= 2) lengths.push(k);
  return lengths;
}

/** What is generated for a (stream 0) and b (stream 1). */
export function operandInput({ values, seed }: Pick<CurveRequest, 'values' | 'seed'>, stream: number): GeneratedInput {
  return {
    generate: values,
    seed: seed * 2 + stream,
    dtype: 'f32',
    exponent: values === 'positive' ? 3 : 2,
    share: 0,
    factorExponent: 0,
  };
}

function rows(request: CurveRequest, stream: number): Uint8Array {
  const { codes } = generate(operandInput(request, stream), [request.trials, request.mostK]);
  return encodeLanes(codes as Uint32Array, formats.e4m3, 'nearest-even', 'saturate') as Uint8Array;
}

/** Sums a row pair as a kernel would: blocks of the model, added in f32. */
function promoted(
  model: TensorCoreModel,
  promoteEvery: number,
): (a: Uint8Array, b: Uint8Array, offset: number, k: number) => number {
  const sum = blockSum(model, 'e4m3', 'e4m3');
  return (a, b, offset, k) => {
    const step = promoteEvery === 0 ? k : promoteEvery;
    let total = 0;
    for (let start = 0; start < k; start += step) {
      const at = offset + start;
      total = Math.fround(total + sum({ codes: a, offset: at }, { codes: b, offset: at }, Math.min(step, k - start)));
    }
    return total;
  };
}

/** Measures every series at every k; `tell` gets each point as it is there. */
export function errorCurve(request: CurveRequest, tell: (point: CurvePoint) => void = () => {}): CurvePoint[] {
  const a = rows(request, 0);
  const b = rows(request, 1);
  const exact = promoted(modelPresets.exact, 0);
  const lengths = curveLengths(request.mostK);
  const total = lengths.length * request.series.length;
  const points: CurvePoint[] = [];
  for (const k of lengths) {
    const truth = Float64Array.from({ length: request.trials }, (_, row) => exact(a, b, row * request.mostK, k));
    const size = Math.sqrt(truth.reduce((sum, value) => sum + value * value, 0) / request.trials);
    for (const { name, model, promoteEvery } of request.series) {
      const sum = promoted(modelPresets[model], promoteEvery);
      const errors = truth.map((value, row) => Math.abs(sum(a, b, row * request.mostK, k) - value));
      const rms = Math.sqrt(errors.reduce((squares, error) => squares + error * error, 0) / request.trials);
      const point = {
        series: name,
        k,
        error: rms / size,
        largest: Math.max(...errors) / size,
        done: points.length + 1,
        total,
      };
      points.push(point);
      tell(point);
    }
  }
  return points;
}

import { dequantizeReference, tileFactors } from '../../../kernels/dequantize/reference.ts';
import { quantizeReference, widen } from '../../../kernels/quantize/reference.ts';
import { tileGrid } from '../../../kernels/tiles.ts';
import { formats } from '../../../numerics/formats.ts';
import { laneReader } from '../../../parity/lanes.ts';
import { schemePreset } from '../../../specs/presets.ts';
import { generate } from '../../../tensors/generate.ts';
import { dtypeOfFormat, type Tensor } from '../../../tensors/tensor.ts';
import { picturesOf } from './pictures.ts';
import { type MatrixSource, type QuantizeRequest, type QuantizeView, type ScaledHistogram, tileOf } from './view.ts';

/** The matrix of a source. */
export function matrixOf(source: MatrixSource): Tensor {
  return source.kind === 'tensor' ? source.tensor : generate(source.input, [source.rows, source.columns]);
}

/** Quantizes a matrix by each preset. */
export function quantizeViews({ source, schemes }: QuantizeRequest): QuantizeView[] {
  const tensor = matrixOf(source);
  const values = new Float32Array(widen(tensor).slice().buffer);
  const views = schemes.map((preset) => viewOf(tensor, values, preset));
  const pictures = picturesOf(views);
  return views.map((view, i) => ({ ...view, pictures: pictures[i]! }));
}

function viewOf(tensor: Tensor, values: Float32Array, preset: string): Omit<QuantizeView, 'pictures'> {
  const scheme = schemePreset(preset);
  const [rows, columns] = tensor.shape as [number, number];
  const quantized = quantizeReference(tensor, scheme);
  const grid = tileGrid(rows, columns, scheme);
  const factors = new Float32Array(tileFactors(quantized, scheme).slice().buffer);
  const back = new Float32Array(Uint32Array.from(dequantizeReference(quantized, scheme, 'f32').codes).buffer);
  const scaleBits = { f32: 32, e8m0: 8, e4m3: 8 }[scheme.scale.type];
  const base = { preset, scheme, rows, columns, tensor, values, codes: quantized.codes.codes, grid, factors, back };
  return {
    ...base,
    ...measure(base),
    bitsPerValue: formats[scheme.format].bits + (scaleBits * factors.length) / values.length,
    histogram: scaledHistogram(base),
  };
}

type Base = Pick<QuantizeView, 'scheme' | 'rows' | 'columns' | 'values' | 'codes' | 'grid' | 'factors' | 'back'>;

function measure(base: Base): Pick<QuantizeView, 'sqnr' | 'medianSqnr' | 'saturated' | 'underflowed' | 'notFinite'> {
  const { scheme, values, codes, factors, back } = base;
  const { max } = formats[scheme.format];
  const { value } = laneReader(dtypeOfFormat[scheme.format]);
  const signal = new Float64Array(base.columns);
  const noise = new Float64Array(base.columns);
  const compared = new Uint32Array(base.columns);
  let saturated = 0;
  let underflowed = 0;
  for (let i = 0; i < values.length; i++) {
    const x = values[i]!;
    const code = value(codes[i]!);
    if (code === 0 && x !== 0) underflowed++;
    if (Math.abs(code) === max && Math.abs(x) > max * factors[tileOf(base, i)]!) saturated++;
    if (!Number.isFinite(x) || !Number.isFinite(back[i]!)) continue;
    compared[i % base.columns]! += 1;
    signal[i % base.columns]! += x * x;
    noise[i % base.columns]! += (back[i]! - x) ** 2;
  }
  const sum = (numbers: ArrayLike<number>) => Array.from(numbers).reduce((total, each) => total + each, 0);
  const all = sum(compared);
  const columns = Array.from(signal, (energy, column) => decibels(energy, noise[column]!, compared[column]!));
  const share = (count: number) => count / values.length;
  return {
    sqnr: decibels(sum(signal), sum(noise), all),
    medianSqnr: median(columns.filter((each) => !Number.isNaN(each))),
    saturated: share(saturated),
    underflowed: share(underflowed),
    notFinite: share(values.length - all),
  };
}

/** NaN where nothing was compared. */
function decibels(signal: number, noise: number, compared: number): number {
  if (compared === 0) return Number.NaN;
  return noise === 0 ? Number.POSITIVE_INFINITY : 10 * Math.log10(signal / noise);
}

function median(values: readonly number[]): number {
  if (values.length === 0) return Number.NaN;
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  if (sorted.length % 2 === 1 || sorted[middle - 1] === sorted[middle]) return sorted[middle]!;
  return (sorted[middle - 1]! + sorted[middle]!) / 2;
}

function scaledHistogram(base: Base): ScaledHistogram {
  const { minSubnormal, minNormal, max } = formats[base.scheme.format];
  const leastExponent = Math.log2(minSubnormal);
  const largestExponent = Math.floor(Math.log2(max));
  const first = leastExponent - 8;
  const counts = new Array<number>(largestExponent + 2 - first).fill(0);
  for (let i = 0; i < base.values.length; i++) {
    const scaled = Math.abs(base.values[i]! / base.factors[tileOf(base, i)]!);
    if (scaled === 0 || !Number.isFinite(scaled)) continue;
    const bucket = Math.min(Math.max(Math.floor(Math.log2(scaled)) - first, 0), counts.length - 1);
    counts[bucket]! += 1;
  }
  return { first, counts, leastExponent, normalExponent: Math.log2(minNormal), largestExponent };
}

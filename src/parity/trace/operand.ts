import type { Quantized } from '../../kernels/quantize/reference.ts';
import { formatOfTensor, widen } from '../../kernels/quantize/reference.ts';
import { tileGrid } from '../../kernels/tiles.ts';
import type { Scheme } from '../../numerics/scheme.ts';
import type { Tensor } from '../../tensors/tensor.ts';
import { traceEncode } from './encode.ts';
import { type Derivation, type Source, storedScaleAt } from './quantize.ts';
import { f32, type Quantity, quantity, Recorder, type TraceSection } from './steps.ts';

/** A high-precision tensor as the source of a quantization. */
export function tensorSource(name: string, tensor: Tensor): Source {
  const [rows, columns] = tensor.shape as [number, number];
  const bits = widen(tensor);
  const format = formatOfTensor(tensor);
  const describe = (row: number, column: number): TraceSection => {
    const recorder = new Recorder();
    const i = row * columns + column;
    const element = quantity(`${name}[${row}, ${column}]`, tensor.codes[i]!, format);
    recorder.record('read', `${name}[${row}, ${column}]`, [element], f32('x', bits[i]!));
    return recorder.section('Input');
  };
  return { rows, columns, bits, describe };
}

/** The dequantizing factor of the tile at [row, column], with the stored scale it comes from. */
export function traceFactorOf(
  recorder: Recorder,
  quantized: Quantized,
  scheme: Scheme,
  factors: Uint32Array,
  row: number,
  column: number,
  name = 'scale',
): Quantity {
  const [rows, columns] = quantized.codes.shape as [number, number];
  const grid = tileGrid(rows, columns, scheme);
  const tile = Math.floor(row / grid.tileRows) * grid.columns + Math.floor(column / grid.tileColumns);
  const factor = f32(name, factors[tile]!);
  const { type, recipe } = scheme.scale;
  if (type === 'f32') return factor;
  const stored = quantity('stored', storedScaleAt(quantized.scales, grid, scheme, row, column), type);
  const tensorScale = recipe === 'nvfp4' ? [f32('tensor scale', quantized.tensorScale?.codes[0] ?? 0x3f800000)] : [];
  const formula = recipe === 'nvfp4' ? 'fl(stored * tensor scale)' : `${type} to f32`;
  return recorder.record(recipe === 'nvfp4' ? 'multiply' : 'decode', formula, [stored, ...tensorScale], factor);
}

/** Rounds an f32 to the output format. */
export function traceOutput(
  sections: readonly TraceSection[],
  value: Quantity,
  output: 'bf16' | 'f16' | 'f32',
): Derivation {
  if (output === 'f32') return { sections, result: value };
  const recorder = new Recorder();
  const result = traceEncode(
    recorder,
    value,
    0,
    { format: output, rounding: 'nearest-even', overflow: 'ieee' },
    'result',
  );
  return { sections: [...sections, recorder.section('Output')], result };
}

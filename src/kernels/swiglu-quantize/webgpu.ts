import type { Gpu, GpuWords } from '../../backends/webgpu/gpu.ts';
import type { FormatName } from '../../numerics/formats.ts';
import type { Scheme } from '../../numerics/scheme.ts';
import type { SwigluFields, SwigluQuantizeSpec } from '../../specs/kernels/swiglu-quantize.ts';
import { allocateCodes, dtypeOfFormat, type Tensors } from '../../tensors/tensor.ts';
import { type Band, laneBytes, laneWords, readLanes, rowBands, uploadBand } from '../bands.ts';
import { formatUniforms } from '../constants.ts';
import type { Tier } from '../kernel.ts';
import { formatOfTensor, quantizedTensors, wideTensor } from '../quantize/reference.ts';
import type { RowValues } from '../quantize/tiles.ts';
import { quantizeSource, type Source } from '../quantize/webgpu.ts';
import { tierSubstitutes } from '../tiers.ts';
import { chooseVariant } from '../variants.ts';
import { type SwigluOperands, swigluOperands } from './reference.ts';
import { fittingSwigluVariants, swigluFamily } from './variants.ts';

/** A band of a pass's result as lanes of `output`, on the device; the caller releases them. */
export type BandMaker = (band: Band, output: FormatName) => GpuWords;

/** act = silu(gate) * up on a device. */
export async function swigluQuantizeWebGpu(
  gpu: Gpu,
  spec: SwigluQuantizeSpec,
  inputs: Tensors,
  tier: Tier,
): Promise<Tensors> {
  const given = swigluOperands(spec, inputs);
  const operands = { ...given, x: wideTensor(given.x) };
  const make: BandMaker = (band, output) => actBand(gpu, operands, band, output, tier);
  const result = { name: 'act', columns: spec.shape.inter, bytesPerRow: xBytes(operands), make };
  const made = spec.scheme === undefined || tier === 'exact' ? undefined : actAsMade(gpu, operands, spec.scheme);
  return swigluOnDevice(gpu, spec, { ...result, made }, tier);
}

/** act made where it is quantized, if that is the variant to take. */
function actAsMade(gpu: Gpu, operands: SwigluOperands, scheme: Scheme): Source['made'] {
  const { rows, inter } = operands;
  const fitting = fittingSwigluVariants(rows, inter, scheme);
  const variant = chooseVariant(gpu, swigluFamily, fitting).quantize;
  return variant && { variant, values: (band) => actValues(gpu, operands, band) };
}

/** What a kernel makes act of a band of. */
function actValues(gpu: Gpu, operands: SwigluOperands, band: Band): RowValues {
  const [weighted, mapped] = rowFlags(operands);
  return {
    format: formatOfTensor(operands.x),
    substitutes: { 'kernels/row_values_fast': 'kernels/row_swiglu_fast' },
    constants: { WEIGHTED: weighted, MAPPED: mapped },
    limit: operands.clamp,
    buffers: uploadOperands(gpu, operands, band),
  };
}

/** x, weights and slots of a band's rows. */
function uploadOperands(
  gpu: Gpu,
  { inter, x, weights, rowToSlot }: SwigluOperands,
  band: Band,
): readonly [GpuWords, GpuWords, GpuWords] {
  return [uploadBand(gpu, x.codes, 2 * inter, band), uploadRows(gpu, weights, band), uploadRows(gpu, rowToSlot, band)];
}

/** Bytes of a row of x on the device. */
export function xBytes({ inter, x }: SwigluOperands): number {
  return 2 * inter * laneBytes(formatOfTensor(x));
}

/** A result of a pass, made band by band. */
export interface BandedResult {
  readonly name: string;
  readonly columns: number;
  /** Largest number of bytes that a row takes on the way. */
  readonly bytesPerRow: number;
  readonly make: BandMaker;
  /** How its values are made where they are quantized, if they are. */
  readonly made?: Source['made'];
}

/** The bands as the spec wants them: quantized, or read as they are. */
export async function swigluOnDevice(
  gpu: Gpu,
  spec: SwigluFields,
  { name, columns, bytesPerRow, make, made }: BandedResult,
  tier: Tier,
): Promise<Tensors> {
  const { rows } = spec.shape;
  if (spec.scheme !== undefined) {
    const load = (band: Band): GpuWords => make(band, 'f32');
    const source: Source = {
      rows,
      columns,
      format: 'f32',
      bytesPerRow: Math.max(bytesPerRow, 4 * columns),
      load,
      made,
    };
    return quantizedTensors(await quantizeSource(gpu, source, spec.scheme, tier));
  }
  const output = spec.output ?? 'bf16';
  const dtype = dtypeOfFormat[output];
  const codes = allocateCodes(dtype, rows * columns);
  for (const band of rowBands(gpu, 0, rows, Math.max(bytesPerRow, laneBytes(output) * columns))) {
    const words = make(band, output);
    await readLanes(gpu, words, output, codes, band.start * columns, band.rows * columns);
    gpu.release(words);
  }
  return { [name]: { dtype, shape: [rows, columns], codes } };
}

/** Weights and slots of a band's rows; one word that nobody reads where there are none. */
export function uploadRows(gpu: Gpu, values: Uint32Array | undefined, band: Band): GpuWords {
  return gpu.upload(values?.subarray(band.start, band.start + band.rows) ?? new Uint32Array(1));
}

/** Whether rows have weights, and slots, as uniforms. */
export const rowFlags = ({ weights, rowToSlot }: SwigluOperands): readonly [number, number] => [
  weights === undefined ? 0 : 1,
  rowToSlot === undefined ? 0 : 1,
];

function actBand(gpu: Gpu, operands: SwigluOperands, band: Band, output: FormatName, tier: Tier): GpuWords {
  const { inter } = operands;
  const count = band.rows * inter;
  const [x, weights, slots] = uploadOperands(gpu, operands, band);
  const words = laneWords(output, count);
  const act = gpu.allocate(words);
  gpu.dispatch({
    shader: 'kernels/swiglu',
    entryPoint: 'swiglu_act',
    substitutes: tierSubstitutes(tier),
    uniforms: [
      ...formatUniforms(formatOfTensor(operands.x)),
      ...formatUniforms(output),
      count,
      inter,
      operands.clamp,
      ...rowFlags(operands),
    ],
    buffers: [
      { buffer: x, access: 'read' },
      { buffer: weights, access: 'read' },
      { buffer: slots, access: 'read' },
      { buffer: act, access: 'read_write' },
    ],
    threads: words,
  });
  for (const buffer of [x, weights, slots]) gpu.release(buffer);
  return act;
}

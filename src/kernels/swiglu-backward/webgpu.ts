import type { Gpu, GpuWords } from '../../backends/webgpu/gpu.ts';
import type { FormatName } from '../../numerics/formats.ts';
import type { SwigluBackwardSpec } from '../../specs/types.ts';
import type { Tensor, Tensors } from '../../tensors/tensor.ts';
import { type Band, laneBytes, laneWords, rowBands, uploadBand } from '../bands.ts';
import { formatUniforms } from '../constants.ts';
import type { Tier } from '../kernel.ts';
import { formatOfTensor, wideTensor } from '../quantize/reference.ts';
import { type BandMaker, rowFlags, swigluOnDevice, uploadRows, xBytes } from '../swiglu-quantize/webgpu.ts';
import { tierSubstitutes } from '../tiers.ts';
import { type SwigluBackwardOperands, sumColumns, swigluBackwardOperands } from './reference.ts';

/** Gradients of gate and up, and of the weights where there are any, on a device. */
export async function swigluBackwardWebGpu(
  gpu: Gpu,
  spec: SwigluBackwardSpec,
  inputs: Tensors,
  tier: Tier,
): Promise<Tensors> {
  const given = swigluBackwardOperands(spec, inputs);
  const operands = { ...given, x: wideTensor(given.x), grad: wideTensor(given.grad) };
  const make: BandMaker = (band, output) => gradientBand(gpu, operands, band, output, tier);
  const result = { name: 'dx', columns: 2 * spec.shape.inter, bytesPerRow: xBytes(operands), make };
  const dx = await swigluOnDevice(gpu, spec, result, tier);
  return operands.weights === undefined ? dx : { ...dx, dweights: await weightGradients(gpu, operands, tier) };
}

/** What a band's dispatches read: x, grad, weights and slots of its rows. */
function uploadOperands(gpu: Gpu, operands: SwigluBackwardOperands, band: Band): readonly GpuWords[] {
  const { inter } = operands;
  return [
    uploadBand(gpu, operands.x.codes, 2 * inter, band),
    uploadBand(gpu, operands.grad.codes, inter, band),
    uploadRows(gpu, operands.weights, band),
    uploadRows(gpu, operands.rowToSlot, band),
  ];
}

/** The formats of x and of grad. */
const inputFormats = (operands: SwigluBackwardOperands): readonly number[] => [
  ...formatUniforms(formatOfTensor(operands.x)),
  ...formatUniforms(formatOfTensor(operands.grad)),
];

function gradientBand(
  gpu: Gpu,
  operands: SwigluBackwardOperands,
  band: Band,
  output: FormatName,
  tier: Tier,
): GpuWords {
  const { inter, clamp } = operands;
  const count = 2 * band.rows * inter;
  const read = uploadOperands(gpu, operands, band);
  const words = laneWords(output, count);
  const dx = gpu.allocate(words);
  gpu.dispatch({
    shader: 'kernels/swiglu_gradients',
    entryPoint: 'swiglu_gradients',
    substitutes: tierSubstitutes(tier),
    uniforms: [...inputFormats(operands), ...formatUniforms(output), count, inter, clamp, ...rowFlags(operands)],
    buffers: [...read.map((buffer) => ({ buffer, access: 'read' as const })), { buffer: dx, access: 'read_write' }],
    threads: words,
  });
  for (const buffer of read) gpu.release(buffer);
  return dx;
}

async function weightGradients(gpu: Gpu, operands: SwigluBackwardOperands, tier: Tier): Promise<Tensor> {
  const { rows, inter } = operands;
  const codes = new Uint32Array(rows);
  const gradBytes = inter * laneBytes(formatOfTensor(operands.grad));
  for (const band of rowBands(gpu, 0, rows, Math.max(xBytes(operands), gradBytes))) {
    const sums = weightGradientBand(gpu, operands, band, tier);
    codes.set(await gpu.read(sums), band.start);
    gpu.release(sums);
  }
  return { dtype: 'F32', shape: [rows], codes };
}

/** Sums of blocks of columns, a thread each, then of the blocks, a thread a row. */
function weightGradientBand(gpu: Gpu, operands: SwigluBackwardOperands, band: Band, tier: Tier): GpuWords {
  const { inter, clamp } = operands;
  const blocks = Math.ceil(inter / sumColumns);
  const read = uploadOperands(gpu, operands, band);
  const partial = gpu.allocate(band.rows * blocks);
  gpu.dispatch({
    shader: 'kernels/swiglu_weights',
    entryPoint: 'sum_columns',
    constants: { SUM_COLUMNS: sumColumns },
    substitutes: tierSubstitutes(tier),
    uniforms: [...inputFormats(operands), band.rows, inter, blocks, clamp, rowFlags(operands)[1]],
    buffers: [
      ...[read[0]!, read[1]!, read[3]!].map((buffer) => ({ buffer, access: 'read' as const })),
      { buffer: partial, access: 'read_write' },
    ],
    threads: band.rows * blocks,
  });
  const sums = gpu.allocate(band.rows);
  gpu.dispatch({
    shader: 'kernels/sum_rows',
    entryPoint: 'sum_rows',
    substitutes: tierSubstitutes(tier),
    uniforms: [band.rows, blocks],
    buffers: [
      { buffer: partial, access: 'read' },
      { buffer: sums, access: 'read_write' },
    ],
    threads: band.rows,
  });
  for (const buffer of [...read, partial]) gpu.release(buffer);
  return sums;
}

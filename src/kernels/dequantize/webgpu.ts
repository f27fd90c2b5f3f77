import type { Gpu, GpuWords } from '../../backends/webgpu/gpu.ts';
import { type FormatName, formats } from '../../numerics/formats.ts';
import type { Scheme } from '../../numerics/scheme.ts';
import type { DequantizeSpec, Operand } from '../../specs/types.ts';
import { allocateCodes, dtypeOfFormat, type Tensors } from '../../tensors/tensor.ts';
import { type Band, bandUniforms, laneBytes, laneWords, readLanes, rowBands, uploadBand } from '../bands.ts';
import { formatConstants } from '../constants.ts';
import type { Tier } from '../kernel.ts';
import type { Quantized } from '../quantize/reference.ts';
import { quantizeTensor } from '../quantize/webgpu.ts';
import { tierSubstitutes } from '../tiers.ts';
import { loadScales, type TileGrid, tileGrid } from '../tiles.ts';
import { chooseVariant } from '../variants.ts';
import { operandInputs } from './reference.ts';
import { byFours, dequantizeFamily } from './variants.ts';

/** Codes and scales to numbers on a device: fl(code * scale), rounded to the output format. */
export async function dequantizeWebGpu(gpu: Gpu, spec: DequantizeSpec, inputs: Tensors, tier: Tier): Promise<Tensors> {
  const { rows, columns } = spec.shape;
  const quantized = await operandOnHost(gpu, 'x', spec.x, inputs, rows, columns, tier);
  const dtype = dtypeOfFormat[spec.output];
  const codes = allocateCodes(dtype, rows * columns);
  const factors = tileFactorsOnDevice(gpu, quantized, spec.x.scheme, tier);
  const bytesPerRow = columns * Math.max(laneBytes(spec.x.scheme.format), laneBytes(spec.output));
  for (const band of rowBands(gpu, 0, rows, bytesPerRow)) {
    const x = dequantizeBand(gpu, quantized, spec.x.scheme, factors, band, spec.output, tier);
    await readLanes(gpu, x, spec.output, codes, band.start * columns, band.rows * columns);
    gpu.release(x);
  }
  gpu.release(factors);
  return { x: { dtype, shape: [rows, columns], codes } };
}

/** An operand's codes and scales: those given, or its high-precision tensor quantized on the device. `name` is `a`, `b` or `x`. */
export async function operandOnHost(
  gpu: Gpu,
  name: string,
  operand: Operand,
  inputs: Tensors,
  rows: number,
  columns: number,
  tier: Tier,
): Promise<Quantized> {
  const given = operandInputs(name, operand, inputs, rows, columns);
  return 'x' in given ? quantizeTensor(gpu, given.x, operand.scheme, tier) : given.quantized;
}

/** f32 bits of the dequantizing factor of every tile, row-major over the tiles, on the device. */
export function tileFactorsOnDevice(gpu: Gpu, quantized: Quantized, scheme: Scheme, tier: Tier): GpuWords {
  const [rows, columns] = quantized.codes.shape as [number, number];
  const grid = tileGrid(rows, columns, scheme);
  const tiles = grid.rows * grid.columns;
  const stored = gpu.upload(loadScales(quantized.scales, grid, scheme));
  const factors = gpu.allocate(tiles);
  const twoLevel = scheme.scale.recipe === 'nvfp4' && quantized.tensorScale !== undefined;
  gpu.dispatch({
    shader: 'kernels/tile_factors',
    entryPoint: 'tile_factors',
    constants: { ...formatConstants('INPUT', scheme.scale.type), TWO_LEVEL: twoLevel ? 1 : 0 },
    substitutes: tierSubstitutes(tier),
    uniforms: [tiles, quantized.tensorScale?.codes[0] ?? 0],
    buffers: [
      { buffer: stored, access: 'read' },
      { buffer: factors, access: 'read_write' },
    ],
    threads: tiles,
  });
  gpu.release(stored);
  return factors;
}

/** A band of codes as lanes of `output`, on the device; the caller releases them. */
export function dequantizeBand(
  gpu: Gpu,
  quantized: Quantized,
  scheme: Scheme,
  factors: GpuWords,
  band: Band,
  output: FormatName,
  tier: Tier,
): GpuWords {
  const [rows, columns] = quantized.codes.shape as [number, number];
  const codes = uploadBand(gpu, quantized.codes.codes, columns, band);
  const words = laneWords(output, band.rows * columns);
  const x = gpu.allocate(words);
  const grid = tileGrid(rows, columns, scheme);
  const piece = pieceLength(scheme.format, output, grid, columns);
  const buffers = [
    { buffer: codes, access: 'read' },
    { buffer: factors, access: 'read' },
    { buffer: x, access: 'read_write' },
  ] as const;
  const constants = { ...formatConstants('INPUT', scheme.format), ...formatConstants('OUTPUT', output) };
  const substitutes = tierSubstitutes(tier);
  const uniforms = bandUniforms(band, columns, grid);
  const common = { constants, substitutes, uniforms, buffers };
  if (piece === undefined) {
    gpu.dispatch({ ...common, shader: 'kernels/dequantize', entryPoint: 'dequantize_codes', threads: words });
  } else if (tier === 'fast' && chooseVariant(gpu, dequantizeFamily, dequantizeFamily.variants) === byFours) {
    gpu.dispatch({
      ...common,
      shader: 'kernels/dequantize_fours_fast',
      entryPoint: 'dequantize_fours',
      substitutes: {
        ...substitutes,
        ...(output === 'bf16' && { 'kernels/store_words_fast': 'kernels/store_halves_fast' }),
      },
      threads: (band.rows * columns) / 4,
    });
  } else {
    const pieces = Math.ceil(columns / piece);
    gpu.dispatch({
      ...common,
      shader: 'kernels/dequantize_rows',
      entryPoint: 'dequantize_rows',
      uniforms: [...uniforms, piece, pieces],
      threads: band.rows * pieces,
    });
  }
  gpu.release(codes);
  return x;
}

/** Longest piece of a row that a thread of dequantize_rows.wgsl takes. */
const longestPiece = 128;

/** Columns of the pieces, each in one tile, that dequantize_rows.wgsl cuts rows into; undefined where neither it nor dequantize_fours_fast.wgsl does it: formats that it does not read or write, tiles that begin within a word. */
function pieceLength(format: FormatName, output: FormatName, grid: TileGrid, columns: number): number | undefined {
  const { bits, specials } = formats[format];
  const read = bits <= 8 && specials !== 'scale' && specials !== 'fnuz';
  if (!read || (output !== 'f32' && output !== 'bf16') || columns % 4 !== 0) return undefined;
  if (grid.columns === 1 || grid.tileColumns % longestPiece === 0) return longestPiece;
  return grid.tileColumns % 4 === 0 && grid.tileColumns < longestPiece ? grid.tileColumns : undefined;
}

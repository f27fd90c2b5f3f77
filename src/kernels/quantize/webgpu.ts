import type { Gpu, GpuWords } from '../../backends/webgpu/gpu.ts';
import { type FormatName, formats } from '../../numerics/formats.ts';
import { powerOfTwoRecipes } from '../../numerics/scale.ts';
import type { Scheme } from '../../numerics/scheme.ts';
import type { QuantizeSpec } from '../../specs/types.ts';
import { allocateCodes, type Codes, dtypeOfFormat, type Tensor, type Tensors } from '../../tensors/tensor.ts';
import { type Band, bandUniforms, laneBytes, laneWords, readLanes, rowBands, uploadBand } from '../bands.ts';
import {
  factorNumber,
  formatConstants,
  formatUniforms,
  outputFormat,
  overflowNumber,
  roundingNumber,
  scaleRule,
} from '../constants.ts';
import type { Tier } from '../kernel.ts';
import { tierSubstitutes } from '../tiers.ts';
import { requireShape, requireTensor, storeScales, type TileGrid, tileGrid } from '../tiles.ts';
import { together } from '../together.ts';
import { chooseVariant } from '../variants.ts';
import { formatOfTensor, type Quantized, quantizedTensors } from './reference.ts';
import { foursOf, quantizeTiles, type RowValues } from './tiles.ts';
import { byThreads, fittingVariants, linesFamily, type QuantizeVariant, tilesFamily } from './variants.ts';

/** A matrix whose bands can be brought to the device as lanes of a format. */
export interface Source {
  readonly rows: number;
  readonly columns: number;
  readonly format: FormatName;
  /** Largest number of device bytes that a row takes on the way. */
  readonly bytesPerRow: number;
  /** The lanes of a band, on the device; the caller releases them. */
  load(band: Band): GpuWords;
  /** Values that a kernel makes as it reads them, of a band, and how it quantizes them: in the fast tier, in place of `load`, where tiles allow it. */
  readonly made?: { readonly variant: QuantizeVariant; values(band: Band): RowValues };
}

/** Quantizes `x` [rows, columns] on a device: the amaxes, then the scales, then the codes. */
export async function quantizeWebGpu(gpu: Gpu, spec: QuantizeSpec, inputs: Tensors, tier: Tier): Promise<Tensors> {
  const x = requireTensor(inputs, 'x');
  requireShape('x', x, [spec.shape.rows, spec.shape.columns]);
  return quantizedTensors(await quantizeTensor(gpu, x, spec.scheme, tier));
}

/** Quantizes a tensor [rows, columns] that is on the host. */
export function quantizeTensor(gpu: Gpu, x: Tensor, scheme: Scheme, tier: Tier): Promise<Quantized> {
  const [rows, columns] = x.shape as [number, number];
  const format = formatOfTensor(x);
  const bytesPerRow = columns * laneBytes(format);
  const load = (band: Band): GpuWords => uploadBand(gpu, x.codes, columns, band);
  return quantizeSource(gpu, { rows, columns, format, bytesPerRow, load }, scheme, tier);
}

/** Quantizes any source. Rows that share no scale with others are done group by group, so that no buffer passes a binding. */
export async function quantizeSource(gpu: Gpu, source: Source, scheme: Scheme, tier: Tier): Promise<Quantized> {
  const { rows, columns } = source;
  const grid = tileGrid(rows, columns, scheme);
  const dtype = dtypeOfFormat[scheme.format];
  const codes = allocateCodes(dtype, rows * columns);
  const scales = allocateCodes(dtypeOfFormat[scheme.scale.type], grid.rows * grid.columns);
  const bytesPerRow = Math.max(source.bytesPerRow, laneBytes(scheme.format) * columns);
  const plan: Plan = {
    gpu,
    source,
    scheme,
    grid,
    tier,
    variant: variantOf(gpu, source, grid, scheme, tier),
    codes,
    scales,
    bytesPerRow,
  };
  const twoLevel = scheme.scale.recipe === 'nvfp4';
  const tensorAmax = gpu.allocate(1, 'zero');
  const tensorScale = gpu.allocate(1);
  if (twoLevel) wholeAmax(plan, tensorAmax);
  // Tile scales and factors take 4 bytes a tile, in buffers of their own.
  const perTileRow = Math.max(bytesPerRow, Math.ceil((4 * grid.columns) / grid.tileRows));
  for (const group of rowBands(gpu, 0, rows, perTileRow, grid.tileRows)) {
    // A group must hold whole tiles: where one tile row passes a binding, it is the group, in several bands.
    const whole = wholeTiles(group, grid, rows);
    if (whole !== undefined) await quantizeGroup(plan, whole, tensorAmax, tensorScale);
  }
  const quantized = { codes: { dtype, shape: [rows, columns], codes }, scales: storeScales(scales, grid, scheme) };
  const result = twoLevel ? { ...quantized, tensorScale: await readScalar(gpu, tensorScale) } : quantized;
  gpu.release(tensorAmax);
  gpu.release(tensorScale);
  return result;
}

interface Plan {
  readonly gpu: Gpu;
  readonly source: Source;
  readonly scheme: Scheme;
  readonly grid: TileGrid;
  readonly tier: Tier;
  readonly variant: QuantizeVariant;
  readonly codes: Codes;
  readonly scales: Codes;
  readonly bytesPerRow: number;
}

/** The source's own variant where it fits; else the one chosen among those that do. */
function variantOf(gpu: Gpu, source: Source, grid: TileGrid, scheme: Scheme, tier: Tier): QuantizeVariant {
  if (tier === 'exact') return byThreads;
  const { made, format, columns } = source;
  const fitting = fittingVariants(format, columns, grid, scheme);
  const own = fitting.find((variant) => variant === made?.variant);
  return own ?? chooseVariant(gpu, isByLines(source, grid, scheme) ? linesFamily : tilesFamily, fitting);
}

/** The whole tile rows that begin in a band, or undefined where none does. */
function wholeTiles(band: Band, grid: TileGrid, rows: number): Band | undefined {
  const start = Math.ceil(band.start / grid.tileRows) * grid.tileRows;
  const end = Math.min(Math.ceil((band.start + band.rows) / grid.tileRows) * grid.tileRows, rows);
  return start < end ? { start, rows: end - start } : undefined;
}

/** Amax over all the source, into one word. */
function wholeAmax(plan: Plan, amax: GpuWords): void {
  const { gpu, source } = plan;
  const grid = { tileRows: source.rows, tileColumns: source.columns, rows: 1, columns: 1 };
  for (const band of rowBands(gpu, 0, source.rows, plan.bytesPerRow)) {
    const x = source.load(band);
    bandAmax(plan, x, band, grid, 0, amax);
    gpu.release(x);
  }
}

/** Scales and codes of whole tile rows. */
async function quantizeGroup(plan: Plan, group: Band, tensorAmax: GpuWords, tensorScale: GpuWords): Promise<void> {
  const { gpu, source, grid } = plan;
  const tiles = Math.ceil(group.rows / grid.tileRows) * grid.columns;
  const bands = rowBands(gpu, group.start, group.start + group.rows, plan.bytesPerRow);
  if (bands.length === 1 && plan.variant.groupMax !== undefined) {
    await quantizeByGroups(plan, group, plan.variant.groupMax);
    return;
  }
  if (bands.length === 1 && isByLines(source, grid, plan.scheme)) {
    await quantizeLines(plan, group, tiles);
    return;
  }
  const amax = gpu.allocate(tiles, 'zero');
  const loaded = bands.map((band) => source.load(band));
  for (const [i, band] of bands.entries()) bandAmax(plan, loaded[i]!, band, grid, group.start, amax);
  const stored = gpu.allocate(tiles);
  const factors = gpu.allocate(tiles);
  tileScales(plan, tiles, amax, tensorAmax, stored, factors, tensorScale);
  const bandsInTurn = async () => {
    for (const [i, band] of bands.entries()) await bandCodes(plan, loaded[i]!, band, group.start, factors);
  };
  const [scales] = await together([gpu.read(stored), bandsInTurn()]);
  plan.scales.set(scales, (group.start / grid.tileRows) * grid.columns);
  for (const buffer of [amax, stored, factors, ...loaded]) gpu.release(buffer);
}

/** Steps that a thread of quantize_lines.wgsl may take: it goes over them up to three times, and lavapipe leaves a shader's loops after 65535 turns. */
const mostSteps = 2 ** 14;

/** Whether quantize_lines.wgsl does it: whole tiles of one row, or tiles of one column. */
function isByLines(source: Source, grid: TileGrid, scheme: Scheme): boolean {
  const byRows = grid.tileRows === 1 && hasWholeFours(source, grid);
  const byColumns = grid.tileColumns === 1 && source.columns % 4 === 0 && grid.tileRows <= mostSteps;
  return (byRows || byColumns) && isByFours(source.format, scheme);
}

/** Tiles' pieces of rows are whole, and of fours of values. */
const hasWholeFours = ({ columns }: Source, { tileColumns }: TileGrid): boolean =>
  tileColumns % 4 === 0 && columns % tileColumns === 0 && tileColumns <= 4 * mostSteps;

/** Powers of two as scales, and codes that the shaders round and pack four at a time. */
function isByFours(format: FormatName, scheme: Scheme): boolean {
  const { bits, mantissaBits, specials } = formats[scheme.format];
  const small = bits <= 8 && mantissaBits <= 3 && specials !== 'scale' && laneBytes(format) >= 2;
  const nearest = scheme.rounding === 'nearest-even' && scheme.overflow === 'saturate';
  return small && nearest && powerOfTwoRecipes.has(scheme.scale.recipe);
}

/** Scales and codes of a band of whole tiles, each tile by a group of threads. */
async function quantizeByGroups(plan: Plan, band: Band, groupMax: string): Promise<void> {
  const { gpu, source, scheme, grid, variant } = plan;
  const values =
    source.made?.variant === variant
      ? source.made.values(band)
      : { format: source.format, buffers: [source.load(band)] };
  const { codes, stored } = quantizeTiles(gpu, values, band.rows, source.columns, grid, scheme, groupMax);
  await keepBand(plan, band, codes, stored);
  for (const buffer of [codes, stored, ...values.buffers]) gpu.release(buffer);
}

/** Reads codes and scales of a band of whole tiles back. */
async function keepBand(plan: Plan, band: Band, codes: GpuWords, stored: GpuWords): Promise<void> {
  const { gpu, source, scheme, grid } = plan;
  const [first, count] = [band.start * source.columns, band.rows * source.columns];
  const [scales] = await together([gpu.read(stored), readLanes(gpu, codes, scheme.format, plan.codes, first, count)]);
  plan.scales.set(scales, (band.start / grid.tileRows) * grid.columns);
}

/** Scales and codes of a band of whole tiles by one dispatch. */
async function quantizeLines(plan: Plan, band: Band, tiles: number): Promise<void> {
  const { gpu, source, scheme, grid, tier } = plan;
  const count = band.rows * source.columns;
  const output = outputFormat(scheme.format, count);
  const alongColumns = grid.tileColumns === 1;
  const threads = alongColumns ? tiles / 4 : tiles;
  const [steps, stride] = alongColumns ? [grid.tileRows, source.columns / 4] : [grid.tileColumns / 4, 1];
  const x = source.load(band);
  const codes = gpu.allocate(laneWords(scheme.format, count));
  const stored = gpu.allocate(tiles);
  gpu.dispatch({
    shader: 'kernels/quantize_lines',
    entryPoint: 'quantize_lines',
    constants: { ...formatConstants('INPUT', source.format), ...output.constants },
    substitutes: { ...tierSubstitutes(tier), ...foursOf(source.format), ...output.substitutes },
    uniforms: [
      ...formatUniforms(scheme.format),
      ...scaleRule(scheme),
      threads,
      steps,
      stride,
      count / 4 / stride,
      alongColumns ? 1 : 0,
    ],
    buffers: [
      { buffer: x, access: 'read' },
      { buffer: codes, access: 'read_write' },
      { buffer: stored, access: 'read_write' },
    ],
    threads,
  });
  await keepBand(plan, band, codes, stored);
  for (const buffer of [x, codes, stored]) gpu.release(buffer);
}

/** A thread takes a piece of a row; where tiles are narrow, a piece of a column. */
function bandAmax(plan: Plan, x: GpuWords, band: Band, grid: TileGrid, origin: number, amax: GpuWords): void {
  const { gpu, source } = plan;
  const blockColumns = Math.min(grid.tileColumns, 128);
  const blockRows = blockColumns >= 16 ? 1 : 32;
  const blocksPerTile = Math.ceil(grid.tileColumns / blockColumns);
  const blocksPerRow = blocksPerTile * grid.columns;
  gpu.dispatch({
    shader: 'kernels/amax',
    entryPoint: 'tile_amax',
    constants: formatConstants('INPUT', source.format),
    uniforms: [
      ...bandUniforms(band, source.columns, grid, origin),
      blockRows,
      blockColumns,
      blocksPerTile,
      blocksPerRow,
    ],
    buffers: [
      { buffer: x, access: 'read' },
      { buffer: amax, access: 'read_write' },
    ],
    threads: Math.ceil(band.rows / blockRows) * blocksPerRow,
  });
}

function tileScales(
  plan: Plan,
  tiles: number,
  amax: GpuWords,
  tensorAmax: GpuWords,
  stored: GpuWords,
  factors: GpuWords,
  tensorScale: GpuWords,
): void {
  const { gpu, scheme, tier } = plan;
  gpu.dispatch({
    shader: 'kernels/tile_scales',
    entryPoint: 'tile_scales',
    substitutes: tierSubstitutes(tier),
    uniforms: [...scaleRule(scheme), tiles],
    buffers: [
      { buffer: amax, access: 'read' },
      { buffer: tensorAmax, access: 'read' },
      { buffer: stored, access: 'read_write' },
      { buffer: factors, access: 'read_write' },
      { buffer: tensorScale, access: 'read_write' },
    ],
    threads: tiles,
  });
}

async function bandCodes(plan: Plan, x: GpuWords, band: Band, origin: number, factors: GpuWords): Promise<void> {
  const { gpu, source, scheme, grid, tier } = plan;
  const count = band.rows * source.columns;
  const words = laneWords(scheme.format, count);
  const codes = gpu.allocate(words);
  const constants = { ...formatConstants('INPUT', source.format), ...formatConstants('OUTPUT', scheme.format) };
  const substitutes = tierSubstitutes(tier);
  const output = outputFormat(scheme.format, count);
  const uniforms = bandUniforms(band, source.columns, grid, origin);
  if (isByFours(source.format, scheme) && hasWholeFours(source, grid)) {
    gpu.dispatch({
      shader: 'kernels/quantize_scaled',
      entryPoint: 'quantize_scaled',
      constants: { ...formatConstants('INPUT', source.format), ...output.constants },
      substitutes: { ...substitutes, ...foursOf(source.format), ...output.substitutes },
      uniforms: [...uniforms, ...formatUniforms(scheme.format)],
      buffers: [
        { buffer: x, access: 'read' },
        { buffer: codes, access: 'read_write' },
        { buffer: factors, access: 'read' },
      ],
      threads: band.rows * grid.columns,
    });
  } else {
    gpu.dispatch({
      shader: 'kernels/quantize',
      entryPoint: 'quantize_codes',
      constants: {
        ...constants,
        FACTOR: factorNumber(scheme),
        ROUNDING: roundingNumber(scheme.rounding),
        OVERFLOW: overflowNumber(scheme.overflow),
      },
      substitutes,
      uniforms: [...uniforms, scheme.seed],
      buffers: [
        { buffer: x, access: 'read' },
        { buffer: factors, access: 'read' },
        { buffer: codes, access: 'read_write' },
      ],
      threads: words,
    });
  }
  await readLanes(gpu, codes, scheme.format, plan.codes, band.start * source.columns, count);
  gpu.release(codes);
}

async function readScalar(gpu: Gpu, words: GpuWords): Promise<Tensor> {
  return { dtype: 'F32', shape: [1], codes: await gpu.read(words) };
}

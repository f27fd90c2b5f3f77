import { type Bound, type Gpu, type GpuWords, maxTexels } from '../../backends/webgpu/gpu.ts';
import type { Scheme } from '../../numerics/scheme.ts';
import type { GemmSpec } from '../../specs/types.ts';
import { allocateCodes, type Codes, dtypeOfFormat, type Tensor, type Tensors } from '../../tensors/tensor.ts';
import { type Band, laneBytes, laneWords, readLanes, uploadBand } from '../bands.ts';
import { type Constants, formatConstants } from '../constants.ts';
import { operandOnHost, tileFactorsOnDevice } from '../dequantize/webgpu.ts';
import type { Tier } from '../kernel.ts';
import { formatOfTensor, type Quantized } from '../quantize/reference.ts';
import { tierSubstitutes } from '../tiers.ts';
import { requireShape, type TileGrid, tileGrid } from '../tiles.ts';
import { together } from '../together.ts';
import { chooseVariant } from '../variants.ts';
import {
  arithmeticUniforms,
  type BlockLayout,
  blockLayout,
  exactVariant,
  type ProductPlan,
  packConstants,
  productPlan,
  wordSpans,
} from './plan.ts';
import type { ProductSpec } from './reference.ts';
import { cutProduct } from './split.ts';
import { fittingVariants, gemmFamily } from './variants.ts';

/** D = C + A * B^T on a device: operands quantized where they are not given, decoded once, multiplied piece by piece. */
export async function gemmWebGpu(gpu: Gpu, spec: GemmSpec, inputs: Tensors, tier: Tier): Promise<Tensors> {
  const { m, n, k } = spec.shape;
  const [a, b] = await together([
    operandOnHost(gpu, 'a', spec.a, inputs, m, k, tier),
    operandOnHost(gpu, 'b', spec.b, inputs, n, k, tier),
  ]);
  return { d: await productWebGpu(gpu, spec, a, b, inputs.c, tier) };
}

/** D [m, n] = C + A * B^T of quantized operands on a device. */
export async function productWebGpu(
  gpu: Gpu,
  spec: ProductSpec,
  a: Quantized,
  b: Quantized,
  c: Tensor | undefined,
  tier: Tier,
): Promise<Tensor> {
  const { m, n, k } = spec.shape;
  if (c !== undefined) requireShape('c', c, [m, n]);
  const variant = tier === 'fast' ? chooseVariant(gpu, gemmFamily, fittingVariants(spec)) : exactVariant(spec, gpu);
  const layout = blockLayout(spec.arithmetic, k, tier, variant.kPerWord);
  const plan = productPlan(spec, layout, tier, variant);
  const dtype = dtypeOfFormat[spec.output];
  const d = allocateCodes(dtype, m * n);
  const sides = { a: side(gpu, a, spec.a.scheme, tier), b: side(gpu, b, spec.b.scheme, tier) };
  const run: Run = { gpu, spec, tier, layout, plan, ...sides, c, d };
  // Four rows share a word of 16 bytes, but where a line of texels holds one row alone.
  const rowWords = (plan.operandWords * layout.rowWords * 4) / (plan.texelRows ?? 4);
  const mostRows = plan.texelRows && maxTexels * plan.texelRows;
  for (const { band, others } of cutProduct(gpu, m, n, rowWords, laneBytes(spec.output), mostRows)) {
    const columns = pack(run, run.b, band, variant.panel);
    for (const rows of others) await multiplyPiece(run, rows, band, columns);
    gpu.release(columns.buffer);
  }
  gpu.release(run.a.factors);
  gpu.release(run.b.factors);
  return { dtype, shape: [m, n], codes: d };
}

/** An operand: its codes on the host, the factors of its tiles on the device. */
interface Side {
  readonly scheme: Scheme;
  readonly codes: Codes;
  readonly grid: TileGrid;
  readonly factors: GpuWords;
}

interface Run {
  readonly gpu: Gpu;
  readonly spec: ProductSpec;
  readonly tier: Tier;
  readonly layout: BlockLayout;
  readonly plan: ProductPlan;
  readonly a: Side;
  readonly b: Side;
  readonly c: Tensor | undefined;
  readonly d: Codes;
}

function side(gpu: Gpu, quantized: Quantized, scheme: Scheme, tier: Tier): Side {
  const [rows, k] = quantized.codes.shape as [number, number];
  const factors = tileFactorsOnDevice(gpu, quantized, scheme, tier);
  return { scheme, codes: quantized.codes.codes, grid: tileGrid(rows, k, scheme), factors };
}

const groupsOf = (rows: number): number => Math.ceil(rows / 4);

/** An operand as a product's shader reads it. */
type Packed = Bound & { readonly access: 'read' | 'read_texels' };

/** A band of an operand made ready for products: words, four rows side by side, `panel` such groups side by side; or texels, row after row. */
function pack(run: Run, { scheme, codes }: Side, band: Band, panel = 1): Packed {
  const { gpu, spec, layout, plan } = run;
  const { k } = spec.shape;
  const source = uploadBand(gpu, codes, k, band);
  const groups = groupsOf(band.rows);
  const { constants, wordThreads, ...shader } = packing(run, scheme);
  const packed = (operand: Bound, threads: number): void => {
    gpu.dispatch({
      ...shader,
      constants: { ...formatConstants('INPUT', scheme.format), ...constants, PANEL: panel },
      ...(plan.texelRows && { substitutes: { 'kernels/gemm_pack_words': 'kernels/gemm_pack_texels' } }),
      uniforms: [band.rows, k, layout.block, layout.blockWords, layout.rowWords, groups],
      buffers: [{ buffer: source, access: 'read' }, operand],
      threads,
    });
    gpu.release(source);
  };
  if (plan.texelRows !== undefined) {
    const lines = Math.ceil(band.rows / plan.texelRows);
    const buffer = gpu.texels(layout.rowWords * plan.operandWords, lines);
    packed({ buffer, access: 'write_texels' }, lines * wordThreads);
    return { buffer, access: 'read_texels' };
  }
  const buffer = gpu.allocate(4 * groups * layout.rowWords * plan.operandWords);
  packed({ buffer, access: 'read_write' }, groups * wordThreads);
  return { buffer, access: 'read' };
}

/** The shader that packs an operand, and the threads that the words of four rows take, or the texels of one. */
function packing({ spec, layout, plan }: Run, { format }: Scheme) {
  const { k } = spec.shape;
  /** Words of codes lie in one row and one block. */
  const whole = laneBytes(format) === 1 && k % 4 === 0 && layout.block % 4 === 0;
  const wordThreads = layout.rowWords;
  const constants: Constants = { WHOLE: whole ? 1 : 0 };
  if (plan.variant.kPerWord === 8)
    return { shader: 'kernels/gemm_eights_fast', entryPoint: 'pack_eights', constants, wordThreads };
  if (plan.variant.kPerWord === 4) {
    return { shader: 'kernels/gemm_codes', entryPoint: 'pack_codes', constants, wordThreads };
  }
  if (plan.variant.kPerWord === 2 && plan.operandWords === 1 && whole && plan.texelRows === undefined) {
    return { shader: 'kernels/gemm_pairs', entryPoint: 'pack_pairs', constants: {}, wordThreads: k / 4 };
  }
  return {
    shader: 'kernels/gemm_operand',
    entryPoint: 'pack_operand',
    constants: packConstants(spec.arithmetic.model, plan),
    wordThreads,
  };
}

/** Rows `rows` of A by rows `columns` of B into D. */
async function multiplyPiece(run: Run, rows: Band, columns: Band, b: Packed): Promise<void> {
  const { gpu, tier, layout, plan } = run;
  const a = pack(run, run.a, rows);
  const rowGroups = groupsOf(rows.rows);
  const columnGroups = groupsOf(columns.rows);
  const product = gpu.allocate(16 * rowGroups * columnGroups);
  const spans = wordSpans(run.spec.arithmetic, layout, plan, tier);
  const cut = spans.some(({ end }) => end % layout.blockWords !== 0 && end !== layout.rowWords);
  const unfinished = gpu.allocate(cut ? product.words : 4);
  const tiles = ({ grid }: Side): number[] => [grid.tileRows, grid.tileColumns, grid.columns];
  for (const { start, end } of spans) {
    gpu.dispatch({
      shader: plan.shader,
      entryPoint: 'multiply',
      constants: plan.constants,
      substitutes: { ...tierSubstitutes(tier), ...plan.substitutes },
      uniforms: [
        ...[rowGroups, columnGroups, layout.rowWords, layout.blockWords, layout.block, start, end],
        ...[rows.start, columns.start, run.spec.shape.m, run.spec.shape.n],
        ...tiles(run.a),
        ...tiles(run.b),
        ...arithmeticUniforms(run.spec),
      ],
      buffers: [
        a,
        b,
        { buffer: run.a.factors, access: 'read' },
        { buffer: run.b.factors, access: 'read' },
        { buffer: product, access: 'read_write' },
        { buffer: unfinished, access: 'read_write' },
      ],
      threads: blockThreads(rowGroups, columnGroups, plan),
    });
  }
  await finishPiece(run, rows, columns, product, 4 * columnGroups);
  for (const buffer of [a.buffer, product, unfinished]) gpu.release(buffer);
}

/** Threads of a product: as many along rows and columns as a variant's threads stand side by side, as the shaders take them apart. */
function blockThreads(
  rowGroups: number,
  columnGroups: number,
  { variant: { workgroup, ...variant } }: ProductPlan,
): number {
  const down = Math.ceil(rowGroups / (workgroup[0] * variant.rowGroups));
  const across = Math.ceil(columnGroups / (workgroup[1] * variant.columnGroups));
  return down * across * workgroup[0] * workgroup[1];
}

/** Adds C, rounds to the output format and puts the piece in its place in D. */
async function finishPiece(run: Run, rows: Band, columns: Band, product: GpuWords, stride: number): Promise<void> {
  const { gpu, spec, tier } = run;
  const count = rows.rows * columns.rows;
  // The product is the result already, with its rows side by side.
  if (spec.output === 'f32' && run.c === undefined && stride === columns.rows) {
    await placePiece(run, rows, columns, product);
    return;
  }
  const words = laneWords(spec.output, count);
  const c = gpu.upload(run.c === undefined ? new Uint32Array(1) : cutOut(run.c, rows, columns));
  const d = gpu.allocate(words);
  gpu.dispatch({
    shader: 'kernels/gemm_finish',
    entryPoint: 'finish',
    constants: {
      ...formatConstants('INPUT', run.c === undefined ? 'f32' : formatOfTensor(run.c)),
      ...formatConstants('OUTPUT', spec.output),
      WITH_C: run.c === undefined ? 0 : 1,
    },
    substitutes: tierSubstitutes(tier),
    uniforms: [count, columns.rows, stride],
    buffers: [
      { buffer: product, access: 'read' },
      { buffer: c, access: 'read' },
      { buffer: d, access: 'read_write' },
    ],
    threads: words,
  });
  await placePiece(run, rows, columns, d);
  gpu.release(c);
  gpu.release(d);
}

/** The lanes of a piece of a matrix, row after row. */
function cutOut({ shape, codes }: Tensor, rows: Band, columns: Band): Codes {
  const width = shape[1]!;
  if (columns.rows === width) return codes.subarray(rows.start * width, (rows.start + rows.rows) * width);
  const piece = codes.slice(0, rows.rows * columns.rows);
  for (let row = 0; row < rows.rows; row++) {
    const at = (rows.start + row) * width + columns.start;
    piece.set(codes.subarray(at, at + columns.rows), row * columns.rows);
  }
  return piece;
}

async function placePiece({ gpu, spec, d }: Run, rows: Band, columns: Band, words: GpuWords): Promise<void> {
  const { n } = spec.shape;
  if (columns.rows === n) {
    await readLanes(gpu, words, spec.output, d, rows.start * n, rows.rows * n);
    return;
  }
  const piece = allocateCodes(dtypeOfFormat[spec.output], rows.rows * columns.rows);
  await readLanes(gpu, words, spec.output, piece, 0, piece.length);
  for (let row = 0; row < rows.rows; row++) {
    const line = piece.subarray(row * columns.rows, (row + 1) * columns.rows);
    d.set(line, (rows.start + row) * n + columns.start);
  }
}

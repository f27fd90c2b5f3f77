import type { Gpu } from '../../backends/webgpu/gpu.ts';
import type { FormatName } from '../../numerics/formats.ts';
import type { UnpermuteSpec } from '../../specs/types.ts';
import { allocateCodes, type Codes, dtypeOfFormat, type Tensor, type Tensors } from '../../tensors/tensor.ts';
import { type Band, laneBytes, laneWords, readLanes, rowBands } from '../bands.ts';
import { formatUniforms } from '../constants.ts';
import type { Tier } from '../kernel.ts';
import { formatOfTensor, wideTensor } from '../quantize/reference.ts';
import { tierSubstitutes } from '../tiers.ts';
import { type SlotSum, unpermuteOperands } from './reference.ts';

/** Sums the rows of every token's slots on a device. */
export async function unpermuteWebGpu(gpu: Gpu, spec: UnpermuteSpec, inputs: Tensors, tier: Tier): Promise<Tensors> {
  return { x: await sumSlotsOnDevice(gpu, unpermuteOperands(spec, inputs), spec.output, tier) };
}

/**
 * The sums of slots [tokens, hidden], rounded to `output`. Any row may belong to any token: x is cut into bands of columns, so that a band has
 * all rows, and the result into bands of tokens besides.
 */
export async function sumSlotsOnDevice(
  gpu: Gpu,
  sum: SlotSum,
  output: 'bf16' | 'f16' | 'f32',
  tier: Tier,
  levels?: SumLevels,
): Promise<Tensor> {
  const [rows, hidden] = sum.x.shape as [number, number];
  const tokens = sum.slotToRow.length / sum.topk;
  const dtype = dtypeOfFormat[output];
  const codes = allocateCodes(dtype, tokens * hidden);
  const given = wideTensor(sum.x);
  const format = formatOfTensor(given);
  // Columns take the place of rows: a column of x has `rows` lanes.
  for (const columns of rowBands(gpu, 0, hidden, rows * laneBytes(format), 4)) {
    const x = gpu.upload(columnsOf(given.codes, hidden, columns));
    const bytesPerToken = Math.max(4 * sum.topk, columns.rows * laneBytes(output));
    for (const band of rowBands(gpu, 0, tokens, bytesPerToken)) {
      const part = await sumBand(gpu, x, sum, { band, columns: columns.rows, format, output, tier, levels });
      placeColumns(part, columns, codes, hidden, band);
    }
    gpu.release(x);
  }
  return { dtype, shape: [tokens, hidden], codes };
}

interface SumBand {
  readonly band: Band;
  readonly columns: number;
  readonly format: FormatName;
  readonly output: FormatName;
  readonly tier: Tier;
  readonly levels: SumLevels | undefined;
}

/** Sums that are rounded to bf16 before they travel: of the slots of each rank, and of the ranks of each node. */
export interface SumLevels {
  /** Rank of every slot, -1 for none. */
  readonly slotRank: Uint32Array;
  /** Ranks whose sums are summed on their node; NOWHERE where each sends its own. */
  readonly perNode: number;
}

async function sumBand(gpu: Gpu, x: ReturnType<Gpu['upload']>, sum: SlotSum, part: SumBand): Promise<Codes> {
  const { band, columns, format, output, tier } = part;
  const slots = [band.start * sum.topk, (band.start + band.rows) * sum.topk] as const;
  const count = band.rows * columns;
  const words = laneWords(output, count);
  const map = gpu.upload(sum.slotToRow.subarray(...slots));
  const weights = gpu.upload(sum.weights?.subarray(...slots) ?? new Uint32Array(1));
  const sums = gpu.allocate(words);
  const ranks = gpu.upload(part.levels?.slotRank.subarray(...slots) ?? new Uint32Array(1));
  const read = [x, map, ...(part.levels === undefined ? [] : [ranks]), weights];
  gpu.dispatch({
    ...(part.levels === undefined
      ? { shader: 'kernels/unpermute', entryPoint: 'sum_slots' }
      : { shader: 'kernels/combine', entryPoint: 'combine_slots' }),
    constants: { WEIGHTED: sum.weights === undefined ? 0 : 1 },
    substitutes: tierSubstitutes(tier),
    uniforms: [
      ...formatUniforms(format),
      ...formatUniforms(output),
      count,
      columns,
      sum.topk,
      ...(part.levels ? [part.levels.perNode] : []),
    ],
    buffers: [...read.map((buffer) => ({ buffer, access: 'read' as const })), { buffer: sums, access: 'read_write' }],
    threads: words,
  });
  const lanes = allocateCodes(dtypeOfFormat[output], count);
  await readLanes(gpu, sums, output, lanes, 0, count);
  for (const buffer of [map, weights, ranks, sums]) gpu.release(buffer);
  return lanes;
}

/** A band of columns of a matrix [.., hidden]; the matrix itself where the band is all of it. */
function columnsOf(codes: Codes, hidden: number, columns: Band): Codes {
  if (columns.rows === hidden) return codes;
  const Lanes = codes.constructor as new (length: number) => Codes;
  const rows = codes.length / hidden;
  const part = new Lanes(rows * columns.rows);
  for (let row = 0; row < rows; row++) {
    const first = row * hidden + columns.start;
    part.set(codes.subarray(first, first + columns.rows), row * columns.rows);
  }
  return part;
}

/** Lays a band's columns into the result. */
function placeColumns(part: Codes, columns: Band, codes: Codes, hidden: number, band: Band): void {
  for (let row = 0; row < band.rows; row++) {
    const values = part.subarray(row * columns.rows, (row + 1) * columns.rows);
    codes.set(values, (band.start + row) * hidden + columns.start);
  }
}

import { type Dispatch, type Gpu, type GpuWords, workgroupSize } from '../../backends/webgpu/gpu.ts';
import { inputError } from '../../errors.ts';
import type { PermuteShape, PermuteSpec } from '../../specs/kernels/permute.ts';
import type { Codes, Tensors } from '../../tensors/tensor.ts';
import { type Band, rowBands, uploadBand } from '../bands.ts';
import { operandOnHost } from '../dequantize/webgpu.ts';
import { NOWHERE, requireIndices } from '../indices.ts';
import type { Tier } from '../kernel.ts';
import { quantizedTensors } from '../quantize/reference.ts';
import { requireShape, requireTensor } from '../tiles.ts';
import { together } from '../together.ts';
import { chooseVariant } from '../variants.ts';
import { type Placement, placedRows, placementTensors, quantizedOfRows, quantizedRows } from './reference.ts';
import { permuteFamily, permuteVariants } from './variants.ts';

/** Slots that a thread counts one after the other, or a workgroup at once, where there are not more slots than `mostBlocks` blocks hold so. */
const blockSlots = workgroupSize;

/** Blocks at most: a thread sums up an expert's blocks, and some drivers end loops after 65,535 turns. */
const mostBlocks = 2 ** 14;
const mostTurns = 65_535;

/** Words that a thread of the gather copies. */
const wordsPerThread = 8;

/** Quads of words, two a thread, from which on a row keeps a workgroup busy. */
const leastQuads = 2 * workgroupSize;

/** Moves rows on a device: the slots are placed, then the rows are gathered. */
export async function permuteWebGpu(gpu: Gpu, spec: PermuteSpec, inputs: Tensors, tier: Tier): Promise<Tensors> {
  const { tokens, hidden, experts, topk } = spec.shape;
  const topkIdx = requireIndices('topk_idx', requireTensor(inputs, 'topk_idx'), [tokens, topk], experts);
  const placement = await placeSlotsOnDevice(gpu, topkIdx, spec.shape, spec.alignment);
  const { rowToSlot } = placement;
  const maps = placementTensors(placement, spec.shape);
  const gather = <C extends Codes>(codes: C, columns: number) => gatherOnDevice(gpu, codes, columns, rowToSlot, topk);
  if (!('scheme' in spec.x)) {
    const x = requireTensor(inputs, 'x');
    requireShape('x', x, [tokens, hidden]);
    return { x: { dtype: x.dtype, shape: [rowToSlot.length, hidden], codes: await gather(x.codes, hidden) }, ...maps };
  }
  const { scheme } = spec.x;
  const quantized = await operandOnHost(gpu, 'x', spec.x, inputs, tokens, hidden, tier);
  const { codes, scales, scaleColumns } = quantizedRows(quantized, scheme);
  const moved = { codes: await gather(codes, hidden), scales: await gather(scales, scaleColumns) };
  return { ...quantizedTensors(quantizedOfRows(quantized, scheme, rowToSlot.length, moved)), ...maps };
}

/** What the placing passes share. */
interface Placing {
  readonly gpu: Gpu;
  readonly experts: number;
  readonly alignment: number;
  readonly stride: number;
  /** Slots of a block. */
  readonly block: number;
  readonly blocks: number;
  /** Workgroups do what threads do else; a block is then a workgroup's. */
  readonly cooperates: boolean;
  /** Rows of an expert before a block [blocks, experts]; [experts, blocks] for workgroups. */
  readonly bases: GpuWords;
  readonly counts: GpuWords;
  readonly offsets: GpuWords;
}

/** A run of slots on the device: their experts, and how many of the same expert stand before each in its block. */
interface SlotBand {
  readonly band: Band;
  readonly experts: GpuWords;
  readonly ranks: GpuWords;
}

/**
 * Places slots by a stable counting sort: each thread counts a block of slots, then each expert's counts are summed over the blocks, the
 * experts' starts over the experts, and every slot finds its row. No atomics: nothing depends on the order of threads.
 */
export async function placeSlotsOnDevice(
  gpu: Gpu,
  topkIdx: Uint32Array,
  shape: Omit<PermuteShape, 'hidden'>,
  alignment: number,
  stride = 0,
): Promise<Placement> {
  const { experts } = shape;
  const slots = topkIdx.length;
  const { block, blocks } = blocksOf(gpu, slots, experts);
  const placing: Placing = {
    cooperates: block === workgroupSize && chooseVariant(gpu, permuteFamily, permuteVariants).cooperates,
    gpu,
    experts,
    alignment,
    stride,
    block,
    blocks,
    bases: gpu.allocate(blocks * experts, 'zero'),
    counts: gpu.allocate(experts),
    offsets: gpu.allocate(experts + 1),
  };
  const bands = rowBands(gpu, 0, slots, 4, block).map((band) => countBand(placing, topkIdx, band));
  sumBlocks(placing);
  const rowToSlot = new Uint32Array(placedRows(shape, alignment, stride));
  const slotToRow = new Uint32Array(slots);
  const [counts, offsets] = await together([
    gpu.read(placing.counts),
    gpu.read(placing.offsets),
    placeBands(placing, bands, rowToSlot, slotToRow),
  ]);
  for (const buffer of [placing.bases, placing.counts, placing.offsets]) gpu.release(buffer);
  return { counts, offsets, rowToSlot, slotToRow };
}

/** How slots are cut into blocks: few enough for one thread to sum them, and for the sums of all experts to fit a binding. */
function blocksOf(gpu: Gpu, slots: number, experts: number): { block: number; blocks: number } {
  const fitting = Math.min(Math.floor(gpu.limits.maxBindingBytes / (4 * experts)) - 1, mostBlocks);
  const block = Math.max(blockSlots, Math.ceil(slots / Math.max(fitting, 1)));
  if (fitting >= 1 && block <= mostTurns) return { block, blocks: Math.ceil(slots / block) };
  throw inputError(
    `${slots} slots of ${experts} experts take more counters than the adapter binds (${gpu.limits.maxBindingBytes} bytes)`,
    'too-large',
    'shape',
    'use fewer tokens or experts, or an adapter with a larger limit',
  );
}

/** The shader of a pass, and the threads that `alone` threads stand for. */
const passOf = ({ cooperates }: Placing, shader: string, alone: number) =>
  cooperates ? { shader: `${shader}_workgroup`, threads: alone * workgroupSize } : { shader, threads: alone };

function countBand(placing: Placing, topkIdx: Uint32Array, band: Band): SlotBand {
  const { gpu, experts, block, blocks, bases } = placing;
  const words = gpu.upload(topkIdx.subarray(band.start, band.start + band.rows));
  const ranks = gpu.allocate(band.rows);
  gpu.dispatch({
    ...passOf(placing, 'kernels/permute_count', Math.ceil(band.rows / block)),
    entryPoint: 'count_blocks',
    uniforms: [band.rows, experts, block, band.start / block, blocks],
    buffers: [
      { buffer: words, access: 'read' },
      { buffer: bases, access: 'read_write' },
      { buffer: ranks, access: 'read_write' },
    ],
  });
  return { band, experts: words, ranks };
}

/** Counts of blocks become rows before a block; totals become the experts' starts. */
function sumBlocks(placing: Placing): void {
  const { gpu, experts, alignment, stride, blocks, bases, counts, offsets } = placing;
  gpu.dispatch({
    ...passOf(placing, 'kernels/permute_sum', experts),
    entryPoint: 'sum_blocks',
    uniforms: [blocks, experts],
    buffers: [
      { buffer: bases, access: 'read_write' },
      { buffer: counts, access: 'read_write' },
    ],
  });
  gpu.dispatch({
    ...passOf(placing, 'kernels/permute_offsets', 1),
    entryPoint: 'sum_experts',
    uniforms: [experts, alignment, stride],
    buffers: [
      { buffer: counts, access: 'read' },
      { buffer: offsets, access: 'read_write' },
    ],
  });
}

/** Finds every slot's row, a band of slots at a time, and enters the slots into the rows, a band of rows at a time. */
async function placeBands(
  placing: Placing,
  bands: readonly SlotBand[],
  rowToSlot: Uint32Array,
  slotToRow: Uint32Array,
): Promise<void> {
  const { gpu } = placing;
  const found = bands.map((band) => findRows(placing, band));
  await together([
    ...bands.map(async ({ band }, i) => slotToRow.set(await gpu.read(found[i]!), band.start)),
    invertBands(placing, bands, found, rowToSlot),
  ]);
  for (const buffer of [...found, ...bands.flatMap(({ experts, ranks }) => [experts, ranks])]) gpu.release(buffer);
}

/** Enters the slots into the rows that were found for them, a band of rows at a time. */
async function invertBands(
  { gpu }: Placing,
  bands: readonly SlotBand[],
  found: readonly GpuWords[],
  rowToSlot: Uint32Array,
): Promise<void> {
  for (const rows of rowBands(gpu, 0, rowToSlot.length, 4)) {
    const slots = gpu.allocate(rows.rows);
    gpu.dispatch({
      shader: 'kernels/fill',
      entryPoint: 'fill_words',
      uniforms: [rows.rows, NOWHERE],
      buffers: [{ buffer: slots, access: 'read_write' }],
      threads: rows.rows,
    });
    for (const [i, { band }] of bands.entries()) {
      gpu.dispatch({
        shader: 'kernels/permute_invert',
        entryPoint: 'invert_slots',
        uniforms: [band.rows, band.start, rows.start, rows.rows],
        buffers: [
          { buffer: found[i]!, access: 'read' },
          { buffer: slots, access: 'read_write' },
        ],
        threads: band.rows,
      });
    }
    rowToSlot.set(await gpu.read(slots), rows.start);
    gpu.release(slots);
  }
}

function findRows({ gpu, experts, block, blocks, cooperates, bases, offsets }: Placing, slots: SlotBand): GpuWords {
  const { band } = slots;
  const rows = gpu.allocate(band.rows);
  gpu.dispatch({
    shader: 'kernels/permute_rows',
    entryPoint: 'find_rows',
    uniforms: [band.rows, experts, block, band.start / block, ...(cooperates ? [blocks, 1] : [1, experts])],
    buffers: [
      { buffer: slots.experts, access: 'read' },
      { buffer: slots.ranks, access: 'read' },
      { buffer: bases, access: 'read' },
      { buffer: offsets, access: 'read' },
      { buffer: rows, access: 'read_write' },
    ],
    threads: band.rows,
  });
  return rows;
}

/**
 * Row r of the result is row floor(rowToSlot[r] / topk) of `codes` [.., columns]; zeros where there is none. Source and result are cut into
 * bands of rows; a band of the result looks at those bands of the source that hold its tokens.
 */
export async function gatherOnDevice<C extends Codes>(
  gpu: Gpu,
  codes: C,
  columns: number,
  rowToSlot: Uint32Array,
  topk: number,
): Promise<C> {
  const Lanes = codes.constructor as new (buffer: number | ArrayBufferLike) => C;
  const moved = new Lanes(rowToSlot.length * columns);
  const bytesPerRow = columns * codes.BYTES_PER_ELEMENT;
  const sources = rowBands(gpu, 0, codes.length / columns, bytesPerRow);
  const loaded = new Map<Band, GpuWords>();
  for (const band of rowBands(gpu, 0, rowToSlot.length, Math.max(bytesPerRow, 4))) {
    const slots = rowToSlot.subarray(band.start, band.start + band.rows);
    const words = gpu.allocate(Math.ceil((band.rows * bytesPerRow) / 4), 'zero');
    const map = gpu.upload(slots);
    for (const source of bandsOf(slots, topk, sources)) {
      const x = loaded.get(source) ?? uploadBand(gpu, codes, columns, source);
      loaded.set(source, x);
      gatherBand(gpu, x, map, words, { columns, lanes: 4 / codes.BYTES_PER_ELEMENT, topk, source, rows: band.rows });
    }
    const read = new Lanes((await gpu.read(words)).buffer);
    moved.set(read.subarray(0, band.rows * columns) as never, band.start * columns);
    gpu.release(words);
    gpu.release(map);
  }
  for (const x of loaded.values()) gpu.release(x);
  return moved;
}

/** The bands that hold a token of these slots. */
function bandsOf(slots: Uint32Array, topk: number, sources: readonly Band[]): readonly Band[] {
  if (sources.length === 1) return sources;
  const bandRows = sources[0]!.rows;
  const used = new Set<number>();
  for (const slot of slots) if (slot !== NOWHERE) used.add(Math.floor(Math.floor(slot / topk) / bandRows));
  return sources.filter((_, i) => used.has(i));
}

interface GatherShape {
  readonly columns: number;
  /** Lanes of a word: 1, 2 or 4. */
  readonly lanes: number;
  readonly topk: number;
  readonly source: Band;
  readonly rows: number;
}

/** Rows of whole words are copied by words, or by quads of them, a workgroup a row; others lane by lane, a thread a word. */
function gatherBand(gpu: Gpu, x: GpuWords, map: GpuWords, words: GpuWords, shape: GatherShape): void {
  const { columns, lanes, topk, source, rows } = shape;
  gpu.dispatch({
    ...gatherPass(rows, columns, lanes, [topk, source.start, source.rows]),
    buffers: [
      { buffer: x, access: 'read' },
      { buffer: map, access: 'read' },
      { buffer: words, access: 'read_write' },
    ],
  });
}

function gatherPass(
  rows: number,
  columns: number,
  lanes: number,
  source: readonly number[],
): Omit<Dispatch, 'buffers'> {
  const width = columns / lanes;
  if (!Number.isInteger(width)) {
    return {
      shader: 'kernels/gather_lanes',
      entryPoint: 'gather_lanes',
      constants: { LANE_SHIFT: Math.log2(lanes) },
      uniforms: [rows, columns, ...source],
      threads: Math.ceil((rows * columns) / lanes),
    };
  }
  if (width % 4 === 0 && width >= 4 * leastQuads) {
    return {
      shader: 'kernels/gather_quads',
      entryPoint: 'gather_quads',
      uniforms: [rows, width / 4, ...source],
      threads: rows * workgroupSize,
    };
  }
  const threadsPerRow = Math.ceil(width / wordsPerThread);
  return {
    shader: 'kernels/gather_words',
    entryPoint: 'gather_words',
    uniforms: [rows, width, ...source, threadsPerRow],
    threads: rows * threadsPerRow,
  };
}

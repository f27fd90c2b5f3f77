import type { Gpu, GpuWords } from '../../backends/webgpu/gpu.ts';
import { type DispatchSpec, dispatchedRows, type Topology } from '../../specs/kernels/dispatch.ts';
import type { Codes, Tensors } from '../../tensors/tensor.ts';
import { rowBands } from '../bands.ts';
import { operandOnHost } from '../dequantize/webgpu.ts';
import type { Tier } from '../kernel.ts';
import { type Placement, quantizedOfRows, quantizedRows } from '../permute/reference.ts';
import { gatherOnDevice, placeSlotsOnDevice } from '../permute/webgpu.ts';
import { quantizedTensors } from '../quantize/reference.ts';
import { requireShape, requireTensor } from '../tiles.ts';
import { together } from '../together.ts';
import { type DispatchMaps, mapTensors, type Routed, routedTokens, wayOf, wireFormat } from './reference.ts';
import { messageBytes } from './spec.ts';
import { type Traffic, type Way, ways } from './traffic.ts';

/** Sends tokens to the ranks of their experts, on a device that plays all ranks. */
export async function dispatchWebGpu(gpu: Gpu, spec: DispatchSpec, inputs: Tensors, tier: Tier): Promise<Tensors> {
  const { hidden, topk } = spec.shape;
  const tokens = spec.ranks * spec.shape.tokens;
  const routed = routedTokens(spec, inputs);
  const maps = await mapsOnDevice(gpu, spec, routed);
  const { rowToSlot } = maps.placement;
  const tensors = mapTensors(spec, maps, messageBytes(spec, wireFormat(spec, inputs)));
  const gather = <C extends Codes>(codes: C, columns: number) => gatherOnDevice(gpu, codes, columns, rowToSlot, topk);
  if (!('scheme' in spec.x)) {
    const x = requireTensor(inputs, 'x');
    requireShape('x', x, [tokens, hidden]);
    return {
      x: { dtype: x.dtype, shape: [rowToSlot.length, hidden], codes: await gather(x.codes, hidden) },
      ...tensors,
    };
  }
  const { scheme } = spec.x;
  const quantized = await operandOnHost(gpu, 'x', spec.x, inputs, tokens, hidden, tier);
  const { codes, scales, scaleColumns } = quantizedRows(quantized, scheme);
  const moved = { codes: await gather(codes, hidden), scales: await gather(scales, scaleColumns) };
  return { ...quantizedTensors(quantizedOfRows(quantized, scheme, rowToSlot.length, moved)), ...tensors };
}

async function mapsOnDevice(gpu: Gpu, spec: DispatchSpec, routed: Routed): Promise<DispatchMaps> {
  const topkIdx = gpu.upload(routed.topkIdx);
  const weights = gpu.upload(routed.weights);
  const placement = await placeOnDevice(gpu, spec, routed.topkIdx, topkIdx);
  const rows = await describeRows(gpu, spec, placement.rowToSlot, topkIdx, weights);
  const perRank = spec.shape.experts / spec.ranks;
  const traffic = await trafficOnDevice(gpu, spec, { slots: topkIdx, perRank }, wayOf(spec));
  const layout = spec.layout === 'normal' ? {} : { layout: await layoutOnDevice(gpu, spec, topkIdx) };
  gpu.release(topkIdx);
  gpu.release(weights);
  return { placement, ...rows, ...layout, ...traffic };
}

/** Slots of ranks (`normal`) or experts in blocks of their own (`low-latency`). */
async function placeOnDevice(
  gpu: Gpu,
  spec: DispatchSpec,
  experts: Uint32Array,
  topkIdx: GpuWords,
): Promise<Placement> {
  const { shape, ranks, layout } = spec;
  const tokens = ranks * shape.tokens;
  if (layout === 'low-latency') {
    return placeSlotsOnDevice(gpu, experts, { tokens, topk: shape.topk, experts: shape.experts }, 1, tokens);
  }
  const slots = tokens * shape.topk;
  const found = gpu.allocate(slots);
  const first = gpu.allocate(slots);
  gpu.dispatch({
    shader: 'kernels/dispatch_slots',
    entryPoint: 'find_ranks',
    uniforms: [slots, shape.topk, shape.experts, shape.experts / ranks],
    buffers: [
      { buffer: topkIdx, access: 'read' },
      { buffer: found, access: 'read_write' },
      { buffer: first, access: 'read_write' },
    ],
    threads: slots,
  });
  const extents = { tokens, topk: shape.topk, experts: ranks };
  const placed = await placeSlotsOnDevice(gpu, await gpu.read(found), extents, 1);
  const slotToRow = await shareRows(gpu, first, placed.slotToRow);
  gpu.release(found);
  gpu.release(first);
  return { ...placed, slotToRow, rowToSlot: placed.rowToSlot.slice(0, dispatchedRows(spec)) };
}

async function shareRows(gpu: Gpu, first: GpuWords, slotToRow: Uint32Array): Promise<Uint32Array> {
  const sent = gpu.upload(slotToRow);
  const rows = gpu.allocate(slotToRow.length);
  gpu.dispatch({
    shader: 'kernels/dispatch_share',
    entryPoint: 'share_rows',
    uniforms: [slotToRow.length],
    buffers: [
      { buffer: first, access: 'read' },
      { buffer: sent, access: 'read' },
      { buffer: rows, access: 'read_write' },
    ],
    threads: slotToRow.length,
  });
  const shared = await gpu.read(rows);
  gpu.release(sent);
  gpu.release(rows);
  return shared;
}

/** The source of every row and, in `normal`, its own slots; a band of rows at a time. */
async function describeRows(
  gpu: Gpu,
  spec: DispatchSpec,
  rowToSlot: Uint32Array,
  topkIdx: GpuWords,
  weights: GpuWords,
): Promise<Pick<DispatchMaps, 'source' | 'local'>> {
  const { shape, ranks, layout } = spec;
  const withSlots = layout === 'normal';
  const columns = withSlots ? shape.topk : 0;
  const source = new Uint32Array(2 * rowToSlot.length);
  const local = {
    topkIdx: new Uint32Array(columns * rowToSlot.length),
    weights: new Uint32Array(columns * rowToSlot.length),
  };
  for (const band of rowBands(gpu, 0, rowToSlot.length, 4 * Math.max(2, columns))) {
    const map = gpu.upload(rowToSlot.subarray(band.start, band.start + band.rows));
    const made = [2, columns, columns].map((width) => gpu.allocate(width * band.rows));
    gpu.dispatch({
      shader: 'kernels/dispatch_rows',
      entryPoint: 'describe_rows',
      constants: { WITH_SLOTS: withSlots ? 1 : 0 },
      uniforms: [band.rows, shape.topk, shape.experts, shape.experts / ranks, shape.tokens],
      buffers: [
        ...[map, topkIdx, weights].map((buffer) => ({ buffer, access: 'read' as const })),
        ...made.map((buffer) => ({ buffer, access: 'read_write' as const })),
      ],
      threads: band.rows,
    });
    const results = await together(made.slice(0, withSlots ? 3 : 1).map((buffer) => gpu.read(buffer)));
    source.set(results[0]!, 2 * band.start);
    if (withSlots) {
      local.topkIdx.set(results[1]!, columns * band.start);
      local.weights.set(results[2]!, columns * band.start);
    }
    for (const buffer of [map, ...made]) gpu.release(buffer);
  }
  return withSlots ? { source, local } : { source };
}

/** What slots hold: experts, `perRank` on a rank, or with `perRank` 1 the ranks themselves. */
export interface DeviceSlots {
  readonly slots: GpuWords;
  readonly perRank: number;
}

/** Counts messages as `countMessages` does. */
export async function trafficOnDevice(
  gpu: Gpu,
  { shape, ranks, gpusPerNode }: Topology,
  { slots, perRank }: DeviceSlots,
  way: Way,
): Promise<Traffic> {
  const nodes = ranks / gpusPerNode;
  const links = nodes * nodes + ranks * ranks;
  const messages = gpu.allocate(links);
  gpu.dispatch({
    shader: 'kernels/dispatch_traffic',
    entryPoint: 'count_messages',
    constants: { WAY: ways.indexOf(way) },
    uniforms: [shape.tokens, shape.topk, ranks * perRank, perRank, ranks, gpusPerNode],
    buffers: [
      { buffer: slots, access: 'read' },
      { buffer: messages, access: 'read_write' },
    ],
    threads: links,
  });
  const counts = await gpu.read(messages);
  gpu.release(messages);
  return { ib: counts.slice(0, nodes * nodes), nvlink: counts.slice(nodes * nodes) };
}

/** Slots of each source for each expert, and how many come before: the passes of a placement, a source a block. */
async function layoutOnDevice(
  gpu: Gpu,
  { shape, ranks }: DispatchSpec,
  topkIdx: GpuWords,
): Promise<{ count: Uint32Array; begin: Uint32Array }> {
  const { tokens, topk, experts } = shape;
  const slots = ranks * tokens * topk;
  const counts = gpu.allocate(ranks * experts, 'zero');
  const before = gpu.allocate(slots);
  gpu.dispatch({
    shader: 'kernels/permute_count',
    entryPoint: 'count_blocks',
    uniforms: [slots, experts, tokens * topk, 0],
    buffers: [
      { buffer: topkIdx, access: 'read' },
      { buffer: counts, access: 'read_write' },
      { buffer: before, access: 'read_write' },
    ],
    threads: ranks,
  });
  const count = await gpu.read(counts);
  const totals = gpu.allocate(experts);
  gpu.dispatch({
    shader: 'kernels/permute_sum',
    entryPoint: 'sum_blocks',
    uniforms: [ranks, experts],
    buffers: [
      { buffer: counts, access: 'read_write' },
      { buffer: totals, access: 'read_write' },
    ],
    threads: experts,
  });
  const begin = await gpu.read(counts);
  for (const buffer of [counts, before, totals]) gpu.release(buffer);
  return { count, begin };
}

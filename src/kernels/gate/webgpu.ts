import { type Gpu, type GpuWords, workgroupSize } from '../../backends/webgpu/gpu.ts';
import { bitsOf } from '../../numerics/f32.ts';
import type { GateScore } from '../../specs/gate-presets.ts';
import type { GateSpec } from '../../specs/types.ts';
import type { Tensor, Tensors } from '../../tensors/tensor.ts';
import { type Band, rowBands, uploadBand } from '../bands.ts';
import type { Constants } from '../constants.ts';
import type { Tier } from '../kernel.ts';
import { functionSubstitutes } from '../tiers.ts';
import { together } from '../together.ts';
import { chooseVariant } from '../variants.ts';
import { gateTensors } from './reference.ts';
import { limitsGroups } from './spec.ts';
import { fittingGates, type GateVariant, gateFamily } from './variants.ts';

/** Numbers of the scores in WGSL, by their place. */
const scores: readonly GateScore[] = ['sigmoid', 'sqrt-softplus', 'softmax', 'logit'];

/** Words of a token that dispatches hand on: columns of shaders/kernels/gate_state.wgsl. */
const stateWords = 7;
const gapColumn = 5;
const groupGapColumn = 6;
const masked = 2;

/** Turns a shader's loops may take together: some drivers stop counting at 2^16. */
const mostTurns = 2 ** 15;

/** A run of the gate; `load` counts over all bands. */
interface Run {
  readonly gpu: Gpu;
  readonly by: GateVariant['by'];
  readonly spec: GateSpec;
  readonly substitutes: Readonly<Record<string, string>>;
  /** f32 bits, whatever the tensor's own format: one pipeline serves all. */
  readonly logits: Uint32Array;
  readonly bias: GpuWords;
  readonly mask: Tensor['codes'] | undefined;
  readonly indices: Tensor['codes'] | undefined;
  readonly load: GpuWords;
  readonly empty: GpuWords;
}

/** What a band gives, in the lanes of its own tokens. */
interface BandResult {
  readonly experts: Uint32Array;
  readonly weights: Uint32Array;
  readonly state: Uint32Array;
}

const read = (buffer: GpuWords) => ({ buffer, access: 'read' }) as const;
const write = (buffer: GpuWords) => ({ buffer, access: 'read_write' }) as const;

/** The gate on a device, token by token; see docs/numerics.md, "Gate". */
export async function gateWebGpu(gpu: Gpu, spec: GateSpec, inputs: Tensors, tier: Tier): Promise<Tensors> {
  const { tokens, experts } = spec.shape;
  const slots = spec.gate.topk + spec.gate.sharedExperts;
  const given = gateTensors(spec, inputs);
  const run: Run = {
    gpu,
    by: chooseVariant(gpu, gateFamily, fittingGates(spec)).by,
    spec,
    substitutes: functionSubstitutes(tier),
    logits: given.logits,
    bias: gpu.upload(given.bias ?? new Uint32Array(1)),
    mask: given.mask,
    indices: given.indices,
    load: gpu.allocate(experts, 'zero'),
    empty: gpu.allocate(1),
  };
  const topkIdx = new Uint32Array(tokens * slots);
  const topkWeights = new Uint32Array(tokens * slots);
  const nearTies = new Uint32Array(tokens);
  const groupGaps = new Uint32Array(tokens);
  const bytesPerToken = 4 * Math.max(experts, slots, stateWords);
  for (const band of rowBands(gpu, 0, tokens, bytesPerToken)) {
    const result = await routeBand(run, band);
    topkIdx.set(result.experts, band.start * slots);
    topkWeights.set(result.weights, band.start * slots);
    nearTies.set(column(result.state, gapColumn, band), band.start);
    groupGaps.set(column(result.state, groupGapColumn, band), band.start);
  }
  const load = (await gpu.read(run.load)).slice(0, experts);
  return {
    topk_idx: { dtype: 'I32', shape: [tokens, slots], codes: topkIdx },
    topk_weights: { dtype: 'F32', shape: [tokens, slots], codes: topkWeights },
    load: { dtype: 'I32', shape: [experts], codes: load },
    ...(spec.indices === undefined && { near_ties: { dtype: 'F32', shape: [tokens], codes: nearTies } }),
    ...(limitsGroups(spec) && { group_gaps: { dtype: 'F32', shape: [tokens], codes: groupGaps } }),
  };
}

function column(state: Uint32Array, index: number, band: Band): Uint32Array {
  return state.subarray(index * band.rows, (index + 1) * band.rows);
}

async function routeBand(run: Run, band: Band): Promise<BandResult> {
  const { gpu, spec } = run;
  const { experts } = spec.shape;
  const slots = spec.gate.topk + spec.gate.sharedExperts;
  const tokens = band.rows;
  const logits = uploadBand(gpu, run.logits, experts, band);
  const state = gpu.allocate(stateWords * tokens);
  const fates = gpu.upload(fatesOf(run, band));
  const routing: Routing = { tokens, logits, state, fates };
  const chosen = chosenOf(run, band, routing);
  const idx = gpu.allocate(tokens * slots);
  const weights = gpu.allocate(tokens * slots);
  gpu.dispatch({
    shader: 'kernels/gate_weigh',
    entryPoint: 'weigh_experts',
    substitutes: run.substitutes,
    constants: { ...scoreConstants(spec), BY_SOFTMAX: spec.gate.normalize === 'softmax' ? 1 : 0 },
    uniforms: [
      tokens,
      experts,
      spec.gate.topk,
      spec.gate.sharedExperts,
      bitsOf(spec.gate.routeScale),
      spec.gate.normalize === 'sum' ? 1 : 0,
    ],
    buffers: [
      ...[read(logits), read(chosen), read(fates)],
      ...[write(state), write(idx), write(weights), write(run.load)],
    ],
    threads: tokens,
  });
  const results = await together([idx, weights, state].map((buffer) => gpu.read(buffer)));
  for (const buffer of [logits, state, fates, chosen, idx, weights]) gpu.release(buffer);
  return {
    experts: results[0]!.subarray(0, tokens * slots),
    weights: results[1]!.subarray(0, tokens * slots),
    state: results[2]!,
  };
}

/** What is known of every token before the gate looks at it. */
function fatesOf({ mask }: Run, band: Band): Uint32Array {
  return Uint32Array.from({ length: band.rows }, (_, i) => (mask?.[band.start + i] === 0 ? masked : 0));
}

/** Experts of a block: about as many as there are blocks; a divisor of the group's size where groups are limited. */
function blockWidth(experts: number, size: number): number {
  const wanted = Math.ceil(Math.sqrt(experts));
  if (size === experts) return wanted;
  let width = Math.min(wanted, size);
  while (size % width !== 0) width--;
  return width;
}

/** A band of tokens on the device. */
interface Routing {
  readonly tokens: number;
  readonly logits: GpuWords;
  readonly state: GpuWords;
  readonly fates: GpuWords;
}

const scoreConstants = ({ gate }: GateSpec): Constants => ({ SCORE: scores.indexOf(gate.score) });

/** The experts of the slots [tokens, topk], chosen or given; the state gets what their weights need. */
function chosenOf(run: Run, band: Band, routing: Routing): GpuWords {
  const { gpu, spec, indices, by } = run;
  if (indices === undefined && by !== 'threads') return chooseTogether(run, routing, by);
  if (spec.gate.score === 'softmax') {
    gpu.dispatch({
      shader: 'kernels/gate_softmax',
      entryPoint: 'sum_softmax',
      substitutes: run.substitutes,
      uniforms: [routing.tokens, spec.shape.experts],
      buffers: [read(routing.logits), write(routing.state)],
      threads: routing.tokens,
    });
  }
  return indices === undefined ? choose(run, routing) : uploadBand(gpu, indices, spec.gate.topk, band);
}

/** Threads for a token: a workgroup's; a subgroup's where it has 32, and those of other sizes take what there is. */
const threadsPerToken = { workgroup: workgroupSize, subgroup: 32 } as const;

/** One dispatch chooses topk experts a token [tokens, topk]: a workgroup or a subgroup a token. */
function chooseTogether(
  run: Run,
  { tokens, logits, state, fates }: Routing,
  by: keyof typeof threadsPerToken,
): GpuWords {
  const { gpu, spec } = run;
  const { experts } = spec.shape;
  const { topk, groups, topkGroups, groupScore } = spec.gate;
  const limited = limitsGroups(spec);
  const chosen = gpu.allocate(tokens * topk);
  const lanesOwn = by === 'subgroup' ? [gpu.allocate(tokens * experts), gpu.allocate(tokens * groups)] : [];
  gpu.dispatch({
    shader: `kernels/gate_${by}`,
    entryPoint: 'choose_experts',
    substitutes: run.substitutes,
    constants: {
      ...scoreConstants(spec),
      HAS_BIAS: spec.bias === undefined ? 0 : 1,
      LIMITED: limited ? 1 : 0,
      TOP2: limited && groupScore === 'top2-sum' ? 1 : 0,
      ...(by === 'workgroup' && { QUADS: Math.ceil(experts / 4) }),
    },
    uniforms: [tokens, experts, topk, groups, experts / groups, topkGroups],
    buffers: [...[logits, run.bias].map(read), ...[state, fates, chosen, ...lanesOwn].map(write)],
    threads: tokens * threadsPerToken[by],
  });
  for (const buffer of lanesOwn) gpu.release(buffer);
  return chosen;
}

/** Ranks all experts and chooses topk a token, each thread by itself: [tokens, topk]. */
function choose(run: Run, { tokens, logits, state, fates }: Routing): GpuWords {
  const { gpu, spec } = run;
  const { experts } = spec.shape;
  const { topk, groups } = spec.gate;
  const keys = gpu.allocate(tokens * experts);
  gpu.dispatch({
    shader: 'kernels/gate_rank',
    entryPoint: 'rank_experts',
    substitutes: run.substitutes,
    constants: { ...scoreConstants(spec), HAS_BIAS: spec.bias === undefined ? 0 : 1 },
    uniforms: [tokens, experts],
    buffers: [...[logits, run.bias, state].map(read), write(keys), write(fates)],
    threads: tokens * experts,
  });
  const limited = limitsGroups(spec);
  const groupKeys = limited ? chooseGroups(run, tokens, keys, state, fates) : run.empty;
  const chosen = gpu.allocate(tokens * topk);
  const size = limited ? experts / groups : experts;
  const width = blockWidth(experts, size);
  const blocks = Math.ceil(experts / width);
  const bests = gpu.allocate(2 * blocks * tokens);
  const places = Math.max(1, Math.floor(mostTurns / (blocks + width)));
  const piece = (entryPoint: string, threads: number, begin: number, end: number): void =>
    gpu.dispatch({
      shader: 'kernels/gate_choose',
      entryPoint,
      uniforms: [tokens, experts, size, width, blocks, topk, begin, end, limited ? 1 : 0],
      buffers: [read(keys), read(groupKeys), write(state), write(bests), write(chosen)],
      threads,
    });
  piece('best_of_blocks', tokens * blocks, 0, 0);
  for (let begin = 0; begin <= topk; begin += places) {
    piece('choose_experts', tokens, begin, Math.min(begin + places, topk + 1));
  }
  gpu.release(bests);
  gpu.release(keys);
  if (limited) gpu.release(groupKeys);
  return chosen;
}

/** Keys of the groups [groups, tokens]; the state gets the last group that each token keeps. */
function chooseGroups({ gpu, spec }: Run, tokens: number, keys: GpuWords, state: GpuWords, fates: GpuWords): GpuWords {
  const { groups, topkGroups, groupScore } = spec.gate;
  const groupKeys = gpu.allocate(tokens * groups);
  const shared = {
    shader: 'kernels/gate_groups',
    uniforms: [tokens, groups, spec.shape.experts / groups, topkGroups, groupScore === 'top2-sum' ? 1 : 0],
    buffers: [read(keys), write(groupKeys), write(state), write(fates)],
  };
  gpu.dispatch({ ...shared, entryPoint: 'score_groups', threads: tokens * groups });
  gpu.dispatch({ ...shared, entryPoint: 'choose_groups', threads: tokens });
  return groupKeys;
}

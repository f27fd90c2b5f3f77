import { gateReference } from '../../../kernels/gate/reference.ts';
import { assignTokens } from '../../../moe/assign.ts';
import type { Cluster } from '../../../moe/cluster.ts';
import { balanceOf } from '../../../moe/loads.ts';
import { gpuLoads, type Placement, placementOf, uniformPlacement } from '../../../moe/placement.ts';
import { rebalanceExperts } from '../../../moe/rebalance.ts';
import { countExperts, gpuOfToken, type Routing, routingOf } from '../../../moe/routing.ts';
import { type Traffic, trafficOf } from '../../../moe/traffic.ts';
import { bitsOf, fromBits } from '../../../numerics/f32.ts';
import { gatePresets } from '../../../specs/gate-presets.ts';
import type { GateSpec } from '../../../specs/types.ts';
import { generate } from '../../../tensors/generate.ts';
import type { Tensor } from '../../../tensors/tensor.ts';

/** The model of the page: a quarter of DeepSeek-V3's experts on four nodes of two GPUs. */
export const layer = { tokens: 512, experts: 64, groups: 8, topkGroups: 4, topk: 8 } as const;

/** Where the experts live. */
export const cluster: Cluster = { nodes: 4, gpus: 8 };

/** What the sliders say. */
export interface RoutingSettings {
  /** How uneven the experts' popularity is, in tenths. */
  readonly skew: number;
  /** Temperature of the logits, in tenths: below 10 tokens are surer of their choice. */
  readonly temperature: number;
  readonly seed: number;
}

/** The gate of the page as a spec: DeepSeek-V3's rule on the page's sizes. */
export const gateSpec: GateSpec = {
  fp8lab: 1,
  kernel: 'gate',
  name: 'playground-gate',
  description: '',
  large: false,
  shape: { tokens: layer.tokens, experts: layer.experts },
  gate: { ...gatePresets['deepseek-v3'], topk: layer.topk, groups: layer.groups, topkGroups: layer.topkGroups },
  logits: { input: input(0) },
  bias: { input: input(1) },
};

function input(seed: number) {
  return { generate: 'normal', seed, dtype: 'f32', exponent: 0, share: 0.01, factorExponent: 6 } as const;
}

const normals = (seed: number, shape: readonly number[]): Float32Array =>
  Float32Array.from(generate(input(seed), shape).codes, fromBits);

/** Logits of a batch: each expert's own popularity, the same in every batch of a seed, and what the token makes of it. */
export function logitsOf({ skew, temperature, seed }: RoutingSettings, batch: number): Tensor {
  const popularity = normals(1000 + seed, [layer.experts]);
  const taste = normals(2000 + 64 * seed + batch, [layer.tokens, layer.experts]);
  const codes = Uint32Array.from(taste, (value, i) =>
    bitsOf(Math.fround((value + (skew / 10) * popularity[i % layer.experts]!) / (temperature / 10))),
  );
  return { dtype: 'F32', shape: [layer.tokens, layer.experts], codes };
}

/** A bias [experts] as a tensor. */
export const biasTensor = (bias: Float32Array): Tensor => ({
  dtype: 'F32',
  shape: [layer.experts],
  codes: Uint32Array.from(bias, bitsOf),
});

/** What the gate made of a batch. */
export interface Gated {
  readonly routing: Routing;
  /** [expert]: tokens that chose it. */
  readonly load: Float64Array;
  /** [token]: how far the last chosen expert lies above the first refused one. */
  readonly gaps: Float32Array;
  /** Most over mean of the experts' loads. */
  readonly imbalance: number;
  /** `topk_idx` of the reference, for holding another backend against it. */
  readonly chosen: Tensor;
}

/** Routes a batch by the reference gate. */
export function routeBatch(logits: Tensor, bias: Float32Array): Gated {
  const results = gateReference(gateSpec, { logits, bias: biasTensor(bias) });
  const chosen = results.topk_idx!;
  const routing = routingOf(
    Int32Array.from(chosen.codes, (code) => code | 0),
    layer.topk,
    layer.experts,
  );
  const load = countExperts(routing);
  const gaps = Float32Array.from(results.near_ties!.codes, fromBits);
  return { routing, load, gaps, imbalance: balanceOf(load).ratio, chosen };
}

/** The bias after a batch (V3 section 2.1.2): down by `speed` where an expert had more than the mean, up where it had less. */
export function nextBias(bias: Float32Array, load: Float64Array, speed: number): Float32Array {
  const mean = load.reduce((sum, count) => sum + count, 0) / load.length;
  return bias.map((value, expert) => value - speed * Math.sign(load[expert]! - mean));
}

/** A placement with what it makes of the batch. */
export interface Placed {
  readonly placement: Placement;
  readonly gpuLoads: Float64Array;
  readonly imbalance: number;
  readonly traffic: Traffic;
  /** [expert]: how many copies it has. */
  readonly copies: readonly number[];
}

function placed(placement: Placement, routing: Routing, load: Float64Array): Placed {
  const { physical } = assignTokens(routing, placement, 0, 'hash');
  const loads = gpuLoads(placement, 0, load);
  const copies = new Array<number>(layer.experts).fill(0);
  for (const expert of placement.physicalToLogical[0]!) if (expert >= 0) copies[expert]!++;
  return {
    placement,
    gpuLoads: loads,
    imbalance: balanceOf(loads).ratio,
    traffic: trafficOf(routing, physical, placement.slotsPerGpu, cluster),
    copies,
  };
}

/** Experts in order, and as the load balancer places them with `redundant` copies a GPU. */
export function placements({ routing, load }: Gated, redundant: number): { before: Placed; after: Placed } {
  const replicas = layer.experts + redundant * cluster.gpus;
  const balanced = rebalanceExperts([load], { replicas, groups: layer.groups, ...cluster });
  return {
    before: placed(uniformPlacement(1, layer.experts, cluster), routing, load),
    after: placed(placementOf(balanced, cluster), routing, load),
  };
}

/** Flows of the picture: tokens' choices from where tokens start to groups, to experts, to GPUs. */
export interface Flows {
  /** [source GPU][group]. */
  readonly sourceToGroup: readonly Float64Array[];
  /** [expert][GPU], spread evenly over copies. */
  readonly expertToGpu: readonly Float64Array[];
}

/** Counts the flows of a routing under a placement. */
export function flowsOf({ routing, load }: Gated, { placement, copies }: Placed): Flows {
  const sourceToGroup = Array.from({ length: cluster.gpus }, () => new Float64Array(layer.groups));
  const size = layer.experts / layer.groups;
  routing.topkIdx.forEach((expert, at) => {
    const source = gpuOfToken(Math.floor(at / routing.topK), routing.tokens, cluster.gpus);
    if (expert >= 0) sourceToGroup[source]![Math.floor(expert / size)]!++;
  });
  const expertToGpu = Array.from({ length: layer.experts }, () => new Float64Array(cluster.gpus));
  placement.physicalToLogical[0]!.forEach((expert, physical) => {
    if (expert >= 0)
      expertToGpu[expert]![Math.floor(physical / placement.slotsPerGpu)]! += load[expert]! / copies[expert]!;
  });
  return { sourceToGroup, expertToGpu };
}

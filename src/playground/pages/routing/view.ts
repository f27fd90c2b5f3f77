import type { Cluster } from '../../../moe/cluster.ts';
import type { Placement } from '../../../moe/placement.ts';
import type { Routing } from '../../../moe/routing.ts';
import type { Traffic } from '../../../moe/traffic.ts';
import { bitsOf } from '../../../numerics/f32.ts';
import { gatePresets } from '../../../specs/gate-presets.ts';
import type { GateSpec } from '../../../specs/types.ts';
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
  /** Step of the bias, in thousandths. */
  readonly speed: number;
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

/** What logits and biases would be generated as: the page gives its own. */
export function input(seed: number) {
  return { generate: 'normal', seed, dtype: 'f32', exponent: 0, share: 0.01, factorExponent: 6 } as const;
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

/** A placement with what it makes of the batch. */
export interface Placed {
  readonly placement: Placement;
  readonly gpuLoads: Float64Array;
  readonly imbalance: number;
  readonly traffic: Traffic;
  /** [expert]: how many copies it has. */
  readonly copies: readonly number[];
}

/** Flows of the picture: tokens' choices from where tokens start to groups, to experts, to GPUs. */
export interface Flows {
  /** [source GPU][group]. */
  readonly sourceToGroup: readonly Float64Array[];
  /** [expert][GPU], spread evenly over copies. */
  readonly expertToGpu: readonly Float64Array[];
}

/** Where balancing has come to: a batch, the bias that it was routed with, and the imbalance of the batches up to it. */
export interface Course {
  readonly batch: number;
  readonly bias: Float32Array;
  readonly logits: Tensor;
  readonly gated: Gated;
  /** Most over mean of the experts' loads, the last hundred batches. */
  readonly history: readonly number[];
}

/** What the page asks for; `from` is where it has come to under the same settings. */
export interface RoutingRequest {
  readonly settings: RoutingSettings;
  /** Batch to come to. */
  readonly batch: number;
  /** Redundant experts a GPU. */
  readonly redundant: number;
  readonly from?: Course;
}

/** What the page shows. */
export interface RoutingView {
  readonly course: Course;
  readonly before: Placed;
  readonly after: Placed;
  /** Flows before experts are moved. */
  readonly flows: Flows;
}

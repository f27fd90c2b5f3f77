/** How an expert's affinity comes from its logit. `logit` is the logit itself. */
export type GateScore = 'sigmoid' | 'sqrt-softplus' | 'softmax' | 'logit';

/** A group's score: the sum of its two largest ranked values, or the largest. */
export type GroupScore = 'top2-sum' | 'max';

/** Weights of the chosen: their scores, those divided by their sum, or a softmax over the chosen logits. */
export type GateNormalize = 'none' | 'sum' | 'softmax';

/** How tokens choose experts: docs/numerics.md, "Gate". */
export interface GateRule {
  readonly score: GateScore;
  /** Experts of a token. */
  readonly topk: number;
  /** Groups of consecutive experts; 1 for none. */
  readonly groups: number;
  /** Groups a token may use; as many as there are for no limit. */
  readonly topkGroups: number;
  readonly groupScore: GroupScore;
  readonly normalize: GateNormalize;
  /** Weights are multiplied by this, as an f32. */
  readonly routeScale: number;
  /** Further slots of every token, with experts E, E + 1, ... and weight 1. */
  readonly sharedExperts: number;
}

const rule = (fields: Pick<GateRule, 'score' | 'topk'> & Partial<GateRule>): GateRule =>
  Object.freeze({
    groups: 1,
    topkGroups: 1,
    groupScore: 'top2-sum',
    normalize: 'sum',
    routeScale: 1,
    sharedExperts: 0,
    ...fields,
  } as const);

const deepseekV3 = rule({ score: 'sigmoid', topk: 8, groups: 8, topkGroups: 4, routeScale: 2.5 });

/**
 * Gates of published models. DeepSeek-V3 and V3.2 are those of their inference code (V3 computes the scores in bf16, V3.2 in f32, as here).
 * V4: sqrt(softplus), no node limit, top 6; its route scale is not in the report and is left at 1. Mixtral 8x7B and Qwen3-MoE: softmax over all,
 * weights of the chosen divided by their sum. gpt-oss: top 4 of the logits, softmax over those.
 */
export const gatePresets = Object.freeze({
  'deepseek-v3': deepseekV3,
  'deepseek-v3.2': deepseekV3,
  'deepseek-v4': rule({ score: 'sqrt-softplus', topk: 6 }),
  mixtral: rule({ score: 'softmax', topk: 2 }),
  'qwen3-moe': rule({ score: 'softmax', topk: 8 }),
  'gpt-oss': rule({ score: 'logit', topk: 4, normalize: 'softmax' }),
} as const);

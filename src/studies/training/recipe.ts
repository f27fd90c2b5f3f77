import type { Arithmetic } from '../../numerics/arithmetic.ts';
import type { Scheme } from '../../numerics/scheme.ts';
import { arithmeticPresets, schemePresets } from '../../specs/presets.ts';
import type { Site } from './precision.ts';

/** How the FP8 sites quantize and sum. Every scheme is of a row-major operand whose columns are summed over. */
export interface Recipe {
  /** X in fprop: [tokens, k]. */
  readonly activation: Readonly<Record<Site, Scheme>>;
  /** What is kept of X for the backward pass, where it is not fprop's own operand. */
  readonly kept: Readonly<Partial<Record<Site, Scheme>>>;
  /** What is kept of the input of SwiGLU. */
  readonly swiglu: Scheme;
  /** W, [n, k] in fprop and [k, n] in dgrad. */
  readonly weight: Scheme;
  /** Gradient of Y in dgrad: [tokens, n]. */
  readonly gradient: Readonly<Record<Site, Scheme>>;
  /** Sites whose gradient arrives quantized already, from the dispatch of the backward pass. */
  readonly dispatched: ReadonlySet<Site>;
  /** Both operands of wgrad, turned so that tokens are summed over: [n, tokens], [k, tokens]. */
  readonly wgrad: Scheme;
  readonly arithmetic: Arithmetic;
}

/** Departures from the recipe, each the question of an ablation. */
export interface Ablations {
  /** Tensor-core sums over the whole of k. Scales must then be constant along k: one a row. */
  readonly noPromotion: boolean;
  /** The gradient of Y in dgrad by 128x128 blocks (Appendix B.2). */
  readonly blockwiseGradients: boolean;
  /** One scale a tensor. */
  readonly perTensor: boolean;
}

/** Gradients of a mean over tokens lie far below 1e-4, where the kernels for inference stop an amax. */
const unfloored = (scheme: Scheme): Scheme => ({ ...scheme, scale: { ...scheme.scale, amaxFloor: 0 } });

const tiled = (scheme: Scheme, tile: readonly [number, number]): Scheme => ({ ...scheme, tile });

const perSite = (scheme: Scheme, others: Partial<Record<Site, Scheme>> = {}): Record<Site, Scheme> => ({
  'attention-in': scheme,
  'attention-out': scheme,
  'expert-up': scheme,
  'expert-down': scheme,
  ...others,
});

/**
 * DeepSeek-V3's recipe (sections 3.3.2 and 3.3.3): e4m3; activations and gradients by 1x128, weights by 128x128; scales are powers of two for the input
 * of the linear layer after attention, for activations dispatched to experts and for gradients dispatched to their down-projections; the
 * first of these is kept in E5M6. In wgrad both operands are requantized along tokens (128x1).
 */
export function deepseekV3(ablations: Ablations): Recipe {
  const row = schemePresets['activation-1x128'];
  const pow2 = schemePresets['activation-1x128-pow2'];
  const recipe: Recipe = {
    activation: perSite(row, { 'attention-out': pow2, 'expert-up': pow2 }),
    kept: { 'attention-out': { ...pow2, format: 'e5m6' } },
    swiglu: row,
    weight: schemePresets['weight-128x128'],
    gradient: perSite(unfloored(row), { 'expert-down': unfloored(pow2) }),
    dispatched: new Set<Site>(['expert-down']),
    wgrad: unfloored(pow2),
    arithmetic: arithmeticPresets['hopper-deepgemm'],
  };
  return ablate(recipe, ablations);
}

function ablate(recipe: Recipe, { noPromotion, blockwiseGradients, perTensor }: Ablations): Recipe {
  let ablated = recipe;
  if (noPromotion) ablated = { ...retile(ablated, [1, 0]), arithmetic: arithmeticPresets['hopper-unpromoted'] };
  if (perTensor) ablated = retile(ablated, [0, 0]);
  if (blockwiseGradients) {
    ablated = { ...ablated, gradient: perSite(unfloored(schemePresets['gradient-128x128'])), dispatched: new Set() };
  }
  return ablated;
}

/** All operands of products with another tile; what is only kept stays as it is. */
function retile(recipe: Recipe, tile: readonly [number, number]): Recipe {
  const each = (schemes: Readonly<Record<Site, Scheme>>): Record<Site, Scheme> => ({
    'attention-in': tiled(schemes['attention-in'], tile),
    'attention-out': tiled(schemes['attention-out'], tile),
    'expert-up': tiled(schemes['expert-up'], tile),
    'expert-down': tiled(schemes['expert-down'], tile),
  });
  return {
    ...recipe,
    activation: each(recipe.activation),
    weight: tiled(recipe.weight, tile),
    gradient: each(recipe.gradient),
    wgrad: tiled(recipe.wgrad, tile),
  };
}

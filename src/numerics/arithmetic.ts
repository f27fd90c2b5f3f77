/** What a fused sum's result is rounded to: `e8m13` truncated to 13 fraction bits in an f32, `f32-rz`, `f32-rne`, or `f16-rne` held in f32. */
export type StepOutput = 'e8m13' | 'f32-rz' | 'f32-rne' | 'f16-rne';

/**
 * A tensor-core model: `aligned` sums `terms` products and the accumulator in one fused step, each term truncated to `fractionBits`
 * below the largest exponent. `exact`: a block is summed exactly and rounded once (f32, nearest even). `sequential`: f32 fma, k ascending.
 * `order` `p4`: of every 4 k, the first two go in one step and the last two in the next (Hopper's emulated FP8 mma.sync).
 */
export interface TensorCoreModel {
  readonly name: string;
  readonly kind: 'aligned' | 'exact' | 'sequential';
  /** F: fraction bits kept below the largest exponent. Unused unless `aligned`. */
  readonly fractionBits: number;
  /** L: products of one fused sum. Unused unless `aligned`. */
  readonly terms: number;
  readonly output: StepOutput;
  readonly order: 'linear' | 'p4';
}

/** How the two scales meet a block's partial sum, in the order of the f32 operations. */
export type Combine = 'scales-first' | 'a-then-b' | 'b-then-a';

/** How a scaled partial sum enters the f32 accumulator: one fma, or a rounded product and a rounded addition. */
export type Promote = 'fused' | 'unfused';

/** How a product is summed. */
export interface Arithmetic {
  readonly model: TensorCoreModel;
  /** k between promotions to f32; 0 means never, for scales that are constant along k. */
  readonly promoteEvery: number;
  readonly combine: Combine;
  readonly promote: Promote;
}

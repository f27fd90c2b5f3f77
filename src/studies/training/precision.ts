import type { Multiply } from './attention.ts';
import { addInto, type Floats, type Matrix, roundToBf16 } from './matrix.ts';
import { multiplyF32, multiplyF64 } from './simd.ts';

/** A trained matrix: master values, and the gradient that the backward pass adds to. */
export interface Parameter extends Matrix {
  readonly name: string;
  readonly gradient: Floats;
  /** Weight decay acts on it: on matrices, not on gains. */
  readonly decays: boolean;
}

/** The products that DeepSeek-V3 does in FP8, by what enters them: their schemes differ (section 3.3.3). */
export type Site = 'attention-in' | 'attention-out' | 'expert-up' | 'expert-down';

/** What the forward pass keeps of an activation, as the backward pass reads it. */
export type Kept = () => Matrix;

/** How a model computes: what is rounded to what, and how its linear layers multiply. */
export interface Precision {
  /** Products outside the FP8 sites: attention, gate, output head. */
  readonly multiply: Multiply;
  /** Rounds to the type that activations and their gradients are stored in, in place. */
  round(x: Matrix): Matrix;
  /** A weight as products outside the FP8 sites read it. */
  weight(w: Parameter): Matrix;
  /** Y [tokens, n] = X [tokens, k] * W [n, k]^T, and what is kept of X. */
  fprop(site: Site, x: Matrix, w: Parameter): Promise<{ y: Matrix; kept: Kept }>;
  /** What is kept of the input of SwiGLU, whose output is recomputed. */
  keep(x: Matrix): Kept;
  /** Gradient of X from that of Y; that of W is added to `w.gradient`. */
  backward(site: Site, dy: Matrix, w: Parameter, x: Kept): Promise<Matrix>;
  /** Forgets what was made of the weights. */
  weightsChanged(): void;
}

/** The precisions without FP8. `f32-reordered` sums every product from its end: the noise of rounding alone. f64 is for checking gradients. */
export type PlainName = 'f64' | 'f32' | 'f32-reordered' | 'bf16';

/** Linear layers in one format: bf16 rounds activations, gradients and the weights it reads, and sums in f32. */
export function plainPrecision(name: PlainName): Precision {
  const multiply: Multiply =
    name === 'f64' ? multiplyF64 : (a, b, layout) => multiplyF32(a, b, layout, name === 'f32-reordered');
  const round = (x: Matrix): Matrix => (name === 'bf16' ? roundToBf16(x) : x);
  const weights = new Map<Parameter, Matrix>();
  const weight = (w: Parameter): Matrix => {
    if (name !== 'bf16') return w;
    let rounded = weights.get(w);
    if (rounded === undefined) {
      rounded = roundToBf16({ rows: w.rows, columns: w.columns, values: w.values.slice() });
      weights.set(w, rounded);
    }
    return rounded;
  };
  return {
    multiply,
    round,
    weight,
    fprop: async (_, x, w) => ({ y: round(multiply(x, weight(w), 'nt')), kept: () => x }),
    keep: (x) => () => x,
    backward: async (_, dy, w, x) => {
      addInto(w.gradient, multiply(dy, x(), 'tn').values);
      return round(multiply(dy, weight(w), 'nn'));
    },
    weightsChanged: () => weights.clear(),
  };
}

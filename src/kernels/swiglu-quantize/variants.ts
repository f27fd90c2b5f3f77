import type { Scheme } from '../../numerics/scheme.ts';
import { bySubgroups, byWorkgroups, fittingVariants, type QuantizeVariant } from '../quantize/variants.ts';
import { tileGrid } from '../tiles.ts';
import type { Family, SpecFields, Variant } from '../variants.ts';

/** How the fast tier quantizes act. */
export interface SwigluVariant extends Variant {
  /** What quantizes act as it is made; absent where it goes through memory, to whatever the family `quantize` has. */
  readonly quantize?: QuantizeVariant;
}

/** Values, then their codes: the exact tier's way. */
export const inSteps: SwigluVariant = { name: 'steps' };

const variants: readonly [SwigluVariant, ...SwigluVariant[]] = [
  inSteps,
  { name: 'fused-workgroups', quantize: byWorkgroups },
  { name: 'fused-subgroups', quantize: bySubgroups, needs: ['subgroups'] },
];

const swiglu = (rows: number, inter: number, fields: SpecFields = {}): SpecFields => ({
  kernel: 'swiglu-quantize',
  shape: { rows, inter },
  x: { input: { generate: 'normal', seed: 1 } },
  scheme: 'activation-1x128-pow2',
  ...fields,
});

/** Rows with weights and a tile that is cut; then whole ones. */
export const swigluFamily: Family = {
  name: 'swiglu-quantize',
  variants,
  verified: [swiglu(9, 260, { weights: { input: { generate: 'uniform', seed: 2, dtype: 'f32' } }, clamp: 2 })],
  timed: [swiglu(128, 1024)],
};

/** The variants that give act [rows, inter] under a scheme. */
export function fittingSwigluVariants(
  rows: number,
  inter: number,
  scheme: Scheme,
): readonly [SwigluVariant, ...SwigluVariant[]] {
  const able = fittingVariants('f32', inter, tileGrid(rows, inter, scheme), scheme);
  return [inSteps, ...variants.filter(({ quantize }) => quantize !== undefined && able.includes(quantize))];
}

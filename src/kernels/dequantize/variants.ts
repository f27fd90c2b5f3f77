import type { Family, SpecFields, Variant } from '../variants.ts';

/** Where no tile begins within a word of codes: a thread has a piece of a row, or four values, beside those of its neighbours. */
export const byPieces: Variant = { name: 'pieces' };
export const byFours: Variant = { name: 'fours' };

const dequantize = (scheme: string, rows: number, columns: number, output: 'bf16' | 'f32'): SpecFields => ({
  kernel: 'dequantize',
  shape: { rows, columns },
  x: { scheme, input: { generate: 'normal', seed: 1 } },
  output,
});

/** Tiles of a row and of both, cut at the edges, to both outputs; then whole ones. */
export const dequantizeFamily: Family = {
  name: 'dequantize',
  variants: [byPieces, byFours],
  verified: [dequantize('activation-1x128-pow2', 9, 520, 'f32'), dequantize('weight-128x128', 130, 260, 'bf16')],
  timed: [dequantize('activation-1x128-pow2', 128, 2048, 'bf16'), dequantize('weight-128x128', 256, 1024, 'f32')],
};

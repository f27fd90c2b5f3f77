import type { QuantizeSpec } from '../../src/specs/types.ts';

/** A small quantize spec with ragged edges. */
export const smallSpec: QuantizeSpec = {
  fp8lab: 1,
  kernel: 'quantize',
  name: 'small',
  description: '',
  large: false,
  shape: { rows: 5, columns: 300 },
  x: { input: { generate: 'normal', seed: 1, dtype: 'bf16', exponent: 0, share: 0, factorExponent: 0 } },
  scheme: {
    format: 'e4m3',
    tile: [1, 128],
    scale: { type: 'f32', recipe: 'pow2', amaxFloor: 1e-4, layout: 'row-major' },
    rounding: 'nearest-even',
    overflow: 'saturate',
    seed: 0,
  },
};

/** A spec whose reference takes seconds: for time limits. */
export const slowSpec: QuantizeSpec = { ...smallSpec, name: 'slow', shape: { rows: 8192, columns: 8192 } };

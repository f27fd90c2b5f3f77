import type { SchemeFields } from '../../helpers/specs.ts';
import { bitsOf, e2m1, e4m3, e5m2, exponentOf, f32Of, type Small } from '../blind/numbers.ts';
import { columns, type Quantizer, rows, type Tile } from './quantize-case.ts';

const r = Math.fround;
const deepseek: SchemeFields = { recipe: 'divide', tile: [1, 128] };
const fp8 = { format: 'e4m3' as const, small: e4m3 };
const up = (x: number): number => (bitsOf(x) & 0x7fffff ? f32Of(((bitsOf(x) >>> 23) + 1) << 23) : x);
const down = (x: number): number => f32Of((bitsOf(x) & 0xff800000) >>> 0);

/** e4m3fnuz: the values of e4m3 at half their size, up to 240, without a negative zero. */
const fnuz: Small = {
  ...e4m3,
  max: 240,
  values: [...e4m3.values, 480].map((x) => x / 2),
};

const multiplied =
  (floor: number, scale: (amax: number) => number, by: (amax: number) => number): Tile =>
  (raw) => {
    const amax = Math.max(raw, r(floor));
    return { stored: scale(amax), cast: (x) => r(x * by(amax)) };
  };

const divided =
  (floor: number, scale: (amax: number) => number): Tile =>
  (raw) => {
    const stored = scale(Math.max(raw, r(floor)));
    return { stored, cast: (x) => r(x / stored) };
  };

/** Quantizers, each written from what its source says. */
export const quantizers: readonly Quantizer[] = [
  {
    name: 'TransformerEngine blockwise, f32 scales',
    spec: deepseek,
    tile: [1, 128],
    ...fp8,
    of: multiplied(
      0,
      (amax) => r(1 / r(448 / amax)),
      (amax) => r(448 / amax),
    ),
    expect: [{ recipe: 'te', floor: '0' }],
  },
  {
    name: 'TransformerEngine blockwise, powers of two: the exponent of max / amax',
    spec: deepseek,
    tile: [1, 128],
    ...fp8,
    of: multiplied(
      0,
      (amax) => 1 / down(r(448 / amax)),
      (amax) => down(r(448 / amax)),
    ),
    expect: [{ recipe: 'pow2', floor: '0' }],
  },
  {
    name: 'TransformerEngine per tensor, current scaling',
    spec: deepseek,
    tile: [rows, columns],
    ...fp8,
    of: multiplied(
      0,
      (amax) => r(1 / r(448 / amax)),
      (amax) => r(448 / amax),
    ),
    expect: [{ recipe: 'te', floor: '0', tile: '0x0' }],
  },
  {
    name: 'TransformerEngine per tensor, delayed scaling: the scale comes from older amaxes',
    spec: { recipe: 'divide', tile: [0, 0] },
    tile: [rows, columns],
    ...fp8,
    of: multiplied(
      0,
      () => r(1 / r(448 / 5.75)),
      () => r(448 / 5.75),
    ),
    expect: [{ recipe: 'given-multiply' }],
  },
  {
    name: 'a static scale of the checkpoint, x / scale (vLLM)',
    spec: { recipe: 'divide', tile: [0, 0] },
    tile: [rows, columns],
    ...fp8,
    of: divided(0, () => r(0.0123)),
    expect: [{ recipe: 'given-divide' }],
  },
  {
    name: 'vLLM per token group: floor 1e-10, x / scale',
    spec: deepseek,
    tile: [1, 128],
    ...fp8,
    of: divided(1e-10, (amax) => r(amax / 448)),
    expect: [{ floor: '1e-10' }],
  },
  {
    name: 'SGLang per token group: x * (max / amax), floor 1e-10',
    spec: deepseek,
    tile: [1, 128],
    ...fp8,
    of: multiplied(
      1e-10,
      (amax) => r(amax / 448),
      (amax) => r(448 / amax),
    ),
    expect: [{ recipe: 'inverse', floor: '1e-10' }],
  },
  {
    name: 'vLLM per token: a least scale of 1 / (512 * 448)',
    spec: { recipe: 'divide', tile: [1, 0] },
    tile: [1, columns],
    ...fp8,
    of: divided(1 / 512, (amax) => r(amax / 448)),
    expect: [{ floor: '0.001953125' }],
  },
  {
    name: 'DeepGEMM per token, on a GPU: amax * fl(1 / 448), x * (1 / scale)',
    spec: deepseek,
    tile: [1, 128],
    ...fp8,
    of: multiplied(
      1e-4,
      (amax) => r(amax * r(1 / 448)),
      (amax) => r(1 / r(amax * r(1 / 448))),
    ),
    expect: [{ recipe: 'reciprocal-gpu' }],
  },
  {
    name: 'DeepGEMM per token, UE8M0',
    spec: deepseek,
    tile: [1, 128],
    ...fp8,
    of: multiplied(
      1e-4,
      (amax) => up(r(amax / 448)),
      (amax) => 1 / up(r(amax / 448)),
    ),
    expect: [{ recipe: 'pow2' }],
  },
  {
    name: 'DeepEP low latency',
    spec: deepseek,
    tile: [1, 128],
    ...fp8,
    of: multiplied(
      1e-4,
      (amax) => r(amax * r(1 / 448)),
      (amax) => r(448 / amax),
    ),
    expect: [{ recipe: 'deepep' }],
  },
  {
    name: 'torchao rowwise: f64 amax, floor 1e-12, multiplier stored',
    spec: { recipe: 'divide', tile: [1, 0] },
    tile: [1, columns],
    ...fp8,
    of: multiplied(
      1e-12,
      (amax) => r(448 / amax),
      (amax) => r(448 / amax),
    ),
    expect: [{ recipe: 'inverse-stored', floor: '1e-12' }],
  },
  {
    name: 'AMD MI300: FNUZ codes with 224 (vLLM)',
    spec: deepseek,
    tile: [1, 128],
    format: 'e4m3fnuz',
    small: fnuz,
    of: divided(1e-10, (amax) => r(amax / 224)),
    expect: [{ format: 'e4m3fnuz', recipe: 'divide-224', floor: '1e-10' }],
  },
  {
    name: 'AMD MI300: FNUZ codes with 240',
    spec: deepseek,
    tile: [1, 128],
    format: 'e4m3fnuz',
    small: fnuz,
    of: divided(1e-4, (amax) => r(amax / 240)),
    expect: [{ format: 'e4m3fnuz' }],
  },
  {
    name: 'Gaudi: e4m3 up to 240',
    spec: deepseek,
    tile: [1, 128],
    ...fp8,
    of: divided(1e-4, (amax) => r(amax / 240)),
    expect: [{ recipe: 'divide-240' }],
  },
  {
    name: 'gradients in e5m2',
    spec: deepseek,
    tile: [1, 128],
    format: 'e5m2',
    small: e5m2,
    of: divided(1e-4, (amax) => r(amax / 57344)),
    expect: [{ format: 'e5m2' }],
  },
  ...(
    [
      ['floor', 'mx-floor', (amax: number) => exponentOf(amax) - 8],
      ['ceil', 'mx-ceil', (amax: number) => Math.ceil(Math.log2(amax)) - 8],
      ['even', 'mx-even', (amax: number) => exponentOf(f32Of(bitsOf(amax) + 0x80000)) - 8],
      ['round up', 'mx-rceil', (amax: number) => exponentOf(up(r(amax * r(1 / 448))))],
    ] as const
  ).map(
    ([name, recipe, exponent]): Quantizer => ({
      name: `MXFP8, scales by ${name}`,
      spec: { recipe: recipe === 'mx-floor' ? 'mx-rceil' : 'mx-floor', tile: [1, 32], type: 'e8m0', amaxFloor: 0 },
      tile: [1, 32],
      ...fp8,
      bytes: true,
      of: (amax) => {
        const stored = 2 ** (amax === 0 ? -127 : exponent(amax));
        return { stored, cast: (x) => x / stored };
      },
      expect: [{ recipe }],
    }),
  ),
  {
    name: 'microxcaling: ties away from zero',
    spec: { recipe: 'mx-floor', tile: [1, 32], type: 'e8m0', amaxFloor: 0 },
    tile: [1, 32],
    ...fp8,
    bytes: true,
    way: 'away',
    of: (amax) => {
      const stored = 2 ** (amax === 0 ? -127 : exponentOf(amax) - 8);
      return { stored, cast: (x) => x / stored };
    },
    expect: [{ rounding: 'nearest-away' }],
  },
  {
    name: 'MXFP4 of DeepGEMM: ties toward zero, no negative zero',
    spec: { format: 'e2m1', recipe: 'mx-floor', tile: [1, 32], type: 'e8m0', amaxFloor: 0 },
    tile: [1, 32],
    format: 'e2m1',
    small: e2m1,
    bytes: true,
    way: 'down-at-ties',
    of: (amax) => {
      const stored = amax === 0 ? 2 ** -127 : up(r(amax / 6));
      return { stored, cast: (x) => x / stored };
    },
    lay: (codes, scales) => ({ codes: codes.map((code) => (code === 8 ? 0 : code)), scales }),
    expect: [{ recipe: 'pow2' }, { rounding: 'nearest-down' }, { zeroSign: 'dropped' }],
  },
  {
    name: 'MXFP4, nibbles swapped',
    spec: { format: 'e2m1', recipe: 'mx-floor', tile: [1, 32], type: 'e8m0', amaxFloor: 0 },
    tile: [1, 32],
    format: 'e2m1',
    small: e2m1,
    bytes: true,
    of: (amax) => {
      const stored = 2 ** (amax === 0 ? -127 : exponentOf(amax) - 2);
      return { stored, cast: (x) => x / stored };
    },
    lay: (codes, scales) => ({ codes: codes.map((_, i, all) => all[i ^ 1]!), scales }),
    expect: [{ nibbles: 'high-first' }],
  },
  {
    name: 'the inverse stored',
    spec: deepseek,
    tile: [1, 128],
    ...fp8,
    of: (raw) => {
      const scale = r(Math.max(raw, r(1e-4)) / 448);
      return { stored: r(1 / scale), cast: (x) => r(x / scale) };
    },
    expect: [{ recipe: 'inverse-stored-divide' }],
  },
  {
    name: 'scales stored one tile late',
    spec: deepseek,
    tile: [1, 128],
    ...fp8,
    of: divided(1e-4, (amax) => r(amax / 448)),
    lay: (codes, scales) => ({ codes, scales: scales.map((_, i) => scales[Math.max(i - 1, 0)]!) }),
    expect: [{ stored: 'previous' }],
  },
  {
    name: 'scales column by column, rows a multiple of 4 (TMA)',
    spec: deepseek,
    tile: [1, 128],
    ...fp8,
    of: divided(1e-4, (amax) => r(amax / 448)),
    lay: (codes, scales) => ({
      codes,
      scales: scales.map((_, i) => scales[(i % rows) * (columns / 128) + Math.floor(i / rows)]!),
    }),
    expect: [{ layout: 'mn-major' }],
  },
];

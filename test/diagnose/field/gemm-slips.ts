import { bf16, bitsOf, e5m2, fma } from '../blind/numbers.ts';
import { scalings } from '../blind/quantizer.ts';
import { type GemmKernel, hopper, mma, promoted } from './dot.ts';
import { add, deepgemm, deepgemmPart, dequantized, forms, whole } from './gemm-parts.ts';

const r = Math.fround;

/** Slips in kernels of the field, and what their authors did not think of. */
export const slips: readonly GemmKernel[] = [
  {
    name: 'partial sums kept in bf16',
    spec: 'blockwise',
    output: 'f32',
    dot: (dot) => promoted(dot, 128, (sum, p, at) => deepgemm(dot)(sum, bf16(p), at)),
    expect: [{ partial: 'bf16' }],
  },
  {
    name: 'accumulates into a bf16 output',
    spec: 'blockwise',
    output: 'bf16',
    dot: (dot) => promoted(dot, 128, (sum, p, at) => bf16(deepgemm(dot)(sum, p, at))),
    expect: [{ carry: 'bf16' }],
  },
  {
    name: 'truncated to bf16 (the upper half of the f32)',
    spec: 'blockwise',
    output: 'bf16',
    dot: (dot) => promoted(dot, 128, deepgemm(dot)),
    store: (sum) => bitsOf(sum) >>> 16,
    expect: [{ output: 'toward-zero' }],
  },
  {
    name: 'rounded half up by adding 0x8000',
    spec: 'blockwise',
    output: 'bf16',
    dot: (dot) => promoted(dot, 128, deepgemm(dot)),
    store: (sum) => (bitsOf(sum) + 0x8000) >>> 16,
    expect: [{ output: 'nearest-away' }],
  },
  {
    name: 'scales of A laid column by column, read row by row',
    spec: 'blockwise',
    output: 'f32',
    dot: (dot) => {
      const { scales, down } = dot.scalesA;
      return promoted(dot, 128, (sum, p, at) => fma(r(scales[(at / 128) * down + dot.i]! * dot.sb(at)), p, sum));
    },
    expect: [{ 'a.scale': 'transposed' }],
  },
  {
    name: 'scale of the next block',
    spec: 'blockwise',
    output: 'bf16',
    dot: (dot) => promoted(dot, 128, (sum, p, at) => fma(r(dot.sa(Math.min(at + 128, 1023)) * dot.sb(at)), p, sum)),
    expect: [{ 'a.scale': 'next-block-clamped' }],
  },
  {
    name: 'scales of A and B exchanged',
    spec: 'rowwise',
    output: 'f32',
    dot: (dot) => r(mma(dot, hopper) * r(dot.scalesA.scales[dot.j]! * dot.scalesB.scales[dot.i]!)),
    expect: [{ 'a.scale': 'exchanged', 'b.scale': 'exchanged' }],
  },
  {
    name: 'scales divided by instead of multiplied',
    spec: 'tensorwise',
    output: 'f32',
    dot: (dot) => r(mma(dot, hopper) * r(r(1 / dot.sa(0)) * r(1 / dot.sb(0)))),
    expect: [{ 'a.scale': 'inverse', 'b.scale': 'inverse' }],
  },
  {
    name: 'last k block missing',
    spec: 'blockwise',
    output: 'bf16',
    dot: (dot) => deepgemmPart(dot)(0, 896),
    expect: [{ drop: 'last-block' }],
  },
  {
    name: 'the last partial sum never promoted',
    spec: 'tensorwise',
    output: 'f32',
    dot: (dot) => {
      let sum = 0;
      for (let at = 0; at + 256 < dot.k; at += 256) sum = add(sum, mma(dot, hopper, at, at + 256));
      return r(sum * r(dot.sa(0) * dot.sb(0)));
    },
    expect: [{ interval: '256', scales: 'epilogue', drop: 'last-step' }],
  },
  {
    name: 'promotion one instruction late: every 160 k',
    spec: 'tensorwise',
    output: 'f32',
    dot: (dot) => r(promoted(dot, 160, add) * r(dot.sa(0) * dot.sb(0))),
    expect: [{ interval: '160', scales: 'epilogue' }],
  },
  {
    name: 'promotion one instruction early: every 96 k',
    spec: 'tensorwise',
    output: 'f32',
    dot: (dot) => r(promoted(dot, 96, add) * r(dot.sa(0) * dot.sb(0))),
    expect: [{ interval: '96', scales: 'epilogue' }],
  },
  {
    name: 'promoted at each fourth instruction counted from 1: first after 32 k',
    spec: 'tensorwise',
    output: 'f32',
    dot: (dot) => {
      let sum = mma(dot, hopper, 0, 32);
      for (let at = 32; at < dot.k; at += 128) sum = add(sum, mma(dot, hopper, at, at + 128));
      return r(sum * r(dot.sa(0) * dot.sb(0)));
    },
    expect: [{ interval: '128', first: '32', scales: 'epilogue' }],
  },
  {
    name: 'blocks promoted one instruction late, with the scale of their start',
    spec: 'blockwise',
    output: 'f32',
    dot: (dot) => {
      let sum = 0;
      for (let at = 0; at < dot.k; at += 128)
        sum = deepgemm(dot)(sum, mma(dot, hopper, at === 0 ? 0 : at + 32, at + 160), at);
      return sum;
    },
    expect: [{ first: '160' }],
  },
  {
    name: 'accumulator not cleared after a promotion',
    spec: 'blockwise',
    output: 'f32',
    dot: (dot) => {
      let [sum, c] = [0, 0];
      for (let at = 0; at < dot.k; at += 128) {
        c = mma(dot, hopper, at, at + 128, c);
        sum = deepgemm(dot)(sum, c, at);
      }
      return sum;
    },
    expect: [{ clear: 'never' }],
  },
  {
    name: 'no promotion, first scale for all: fast accumulation where blocks have scales',
    spec: 'blockwise',
    output: 'f32',
    dot: (dot) => r(r(dot.sa(0) * dot.sb(0)) * mma(dot, hopper)),
    expect: [{ interval: '0', scales: 'start' }],
  },
  {
    name: 'k from the end',
    spec: 'blockwise',
    output: 'f32',
    dot: (dot) => {
      let sum = 0;
      for (let at = dot.k - 128; at >= 0; at -= 128) sum = deepgemm(dot)(sum, mma(dot, hopper, at, at + 128), at);
      return sum;
    },
    expect: [{ walk: 'descending' }],
  },
  {
    name: 'A in e5m2 (gradients)',
    spec: 'blockwise',
    output: 'f32',
    quantizers: { a: { format: e5m2 } },
    dot: (dot) => promoted(dot, 128, deepgemm(dot)),
    expect: [{ 'a.format': 'e5m2' }],
  },
  {
    name: 'scales met in bf16',
    spec: 'blockwise',
    output: 'f32',
    dot: (dot) => promoted(dot, 128, (sum, p, at) => fma(r(bf16(dot.sa(at)) * bf16(dot.sb(at))), p, sum)),
    expect: [{ 'a.recipe': 'bf16-scale-after', 'b.recipe': 'bf16-scale-after' }],
  },
  {
    name: 'scales rounded up to UE8M0 after they were used',
    spec: 'blockwise',
    output: 'bf16',
    quantizers: { a: { scale: scalings['divide-then-pow2-up']! }, b: { scale: scalings['divide-then-pow2-up']! } },
    dot: (dot) => promoted(dot, 128, deepgemm(dot)),
    expect: [{ 'a.recipe': 'divide-then-pow2-up', 'b.recipe': 'divide-then-pow2-up' }],
  },
  {
    name: 'two of the four instructions of every block',
    spec: 'blockwise',
    output: 'bf16',
    dot: (dot) => promoted(dot, 128, (sum, _, at) => deepgemm(dot)(sum, mma(dot, hopper, at, at + 64), at)),
    expect: [{ drop: 'block-half' }],
  },
  {
    name: 'warp shuffle: lanes of 32 f32, joined by halves (a GEMV)',
    spec: 'blockwise',
    output: 'f32',
    dot: (dot) => whole(dot, 'lanes-32', dequantized(dot, r)),
    expect: [forms('f32'), { model: 'lanes-32' }],
  },
];

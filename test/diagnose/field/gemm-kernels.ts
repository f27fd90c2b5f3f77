import { blockSum } from '../blind/gemm-rule.ts';
import { bf16, bitsOf, exponentOf, fma } from '../blind/numbers.ts';
import { scalings } from '../blind/quantizer.ts';
import { cdna2, cdna3 } from './amd.ts';
import {
  ada,
  ampereBf16,
  blackwell,
  type Dot,
  type GemmKernel,
  hopper,
  hopperBf16,
  mma,
  productsOf,
  promoted,
} from './dot.ts';
import { add, axesOf, deepgemm, deepgemmPart, dequantized, forms, split, tf32, whole } from './gemm-parts.ts';
import { slips } from './gemm-slips.ts';

const r = Math.fround;

/** Kernels of the field, each written from what its source, or the measurement of its hardware, says. */
const published: readonly GemmKernel[] = [
  {
    name: 'DeepSeek-V3 Triton fp8_gemm: accumulator += dot * a_s * b_s',
    spec: 'blockwise',
    output: 'f32',
    dot: (dot) => promoted(dot, 128, (sum, p, at) => fma(r(p * dot.sa(at)), dot.sb(at), sum)),
    expect: [{ combine: 'a-then-b' }],
  },
  {
    name: 'DeepSeek-V3 Triton fp8_gemm, bf16 out',
    spec: 'blockwise',
    output: 'bf16',
    dot: (dot) => promoted(dot, 128, (sum, p, at) => fma(r(p * dot.sa(at)), dot.sb(at), sum)),
    expect: [{ combine: 'a-then-b' }],
  },
  {
    name: 'the same on Ada',
    spec: 'blockwise',
    output: 'f32',
    dot: (dot) => promoted(dot, 128, (sum, p, at) => fma(r(p * dot.sa(at)), dot.sb(at), sum), ada),
    expect: [axesOf(ada), { combine: 'a-then-b' }],
  },
  {
    name: 'DeepGEMM 1D1D: both operands in 1x128',
    spec: 'blockwise',
    output: 'f32',
    quantizers: { b: { tile: [1, 128] } },
    dot: (dot) => promoted(dot, 128, deepgemm(dot)),
    expect: [{ 'b.tile': '1x128' }],
  },
  {
    name: 'DeepGEMM with UE8M0 scales',
    spec: 'blockwise',
    output: 'bf16',
    quantizers: { a: { scale: scalings.pow2! }, b: { scale: scalings.pow2! } },
    dot: (dot) => promoted(dot, 128, deepgemm(dot)),
    expect: [{ 'a.recipe': 'pow2', 'b.recipe': 'pow2' }],
  },
  {
    name: 'TransformerEngine blockwise: no floor, scales 1 / (max / amax), not fused',
    spec: 'blockwise',
    output: 'f32',
    quantizers: { a: { scale: scalings.te! }, b: { scale: scalings.te! } },
    dot: (dot) => promoted(dot, 128, (sum, p, at) => r(sum + r(p * r(dot.sa(at) * dot.sb(at))))),
    expect: [{ 'a.recipe': 'te', 'b.recipe': 'te' }, { promote: 'unfused' }],
  },
  {
    name: 'TransformerEngine blockwise in powers of two',
    spec: 'blockwise',
    output: 'f32',
    quantizers: { a: { scale: scalings.pow2!, floor: (x) => x }, b: { scale: scalings.pow2!, floor: (x) => x } },
    dot: (dot) => promoted(dot, 128, (sum, p, at) => r(sum + r(p * r(dot.sa(at) * dot.sb(at))))),
    expect: [{ 'a.recipe': 'pow2', 'b.recipe': 'pow2' }, { promote: 'unfused' }],
  },
  {
    name: 'cuBLASLt per tensor, fast accumulation off: promoted every 128, alpha at the end',
    spec: 'tensorwise',
    output: 'f32',
    dot: (dot) => r(promoted(dot, 128, add) * r(dot.sa(0) * dot.sb(0))),
    expect: [{ interval: '128', scales: 'epilogue' }],
  },
  {
    name: 'cuBLASLt per tensor, fast accumulation off, bf16 out',
    spec: 'tensorwise',
    output: 'bf16',
    dot: (dot) => r(promoted(dot, 128, add) * r(dot.sa(0) * dot.sb(0))),
    expect: [{ interval: '128', scales: 'epilogue' }],
  },
  {
    name: 'CUTLASS rowwise (torch._scaled_mm): scale_a * (scale_b * acc), fast accumulation',
    spec: 'rowwise',
    output: 'f32',
    dot: (dot) => r(dot.sa(0) * r(dot.sb(0) * mma(dot, hopper))),
    expect: [{ combine: 'b-then-a' }],
  },
  {
    name: 'CUTLASS rowwise, promoted every 4 instructions',
    spec: 'rowwise',
    output: 'f32',
    dot: (dot) => r(dot.sa(0) * r(dot.sb(0) * promoted(dot, 128, add))),
    expect: [{ combine: 'b-then-a' }, { interval: '128', scales: 'epilogue' }],
  },
  {
    name: 'CUTLASS rowwise, promoted every 4, bf16 out',
    spec: 'rowwise',
    output: 'bf16',
    dot: (dot) => r(dot.sa(0) * r(dot.sb(0) * promoted(dot, 128, add))),
    expect: [{ interval: '128', scales: 'epilogue' }],
  },
  {
    name: 'torchao rowwise: scales in powers of two',
    spec: 'rowwise',
    output: 'bf16',
    quantizers: { a: { scale: scalings.pow2! }, b: { scale: scalings.pow2! } },
    dot: (dot) => r(dot.sa(0) * r(dot.sb(0) * mma(dot, hopper))),
    expect: [{ 'a.recipe': 'pow2', 'b.recipe': 'pow2' }],
  },
  {
    name: 'vLLM on Ada: per token and channel, CUTLASS on mma.sync',
    spec: 'rowwise',
    output: 'f32',
    dot: (dot) => r(dot.sa(0) * r(dot.sb(0) * mma(dot, ada))),
    expect: [axesOf(ada), { combine: 'b-then-a' }],
  },
  {
    name: 'FP8 mma.sync on Hopper: FP16 units',
    spec: 'blockwise',
    output: 'f32',
    dot: (dot) => promoted(dot, 128, deepgemm(dot), { fraction: 25, terms: 16, cut: 'f32-rz', paired: true }),
    expect: [axesOf({ fraction: 25, terms: 16, cut: 'f32-rz', paired: true })],
  },
  {
    name: 'Ada with f16 accumulators',
    spec: 'rowwise',
    output: 'f16',
    dot: (dot) => r(mma(dot, { ...ada, cut: 'f16-rne' }) * r(dot.sa(0) * dot.sb(0))),
    expect: [axesOf({ ...ada, cut: 'f16-rne' })],
  },
  {
    name: 'DeepGEMM on Blackwell, UE8M0 in the instruction: one chain over k',
    spec: 'blockwise',
    output: 'f32',
    quantizers: { a: { scale: scalings.pow2! }, b: { scale: scalings.pow2! } },
    dot: blockScaled,
    expect: [{ 'a.recipe': 'pow2', 'b.recipe': 'pow2' }, axesOf(blackwell), forms('scaled')],
  },
  {
    name: 'Blackwell MXFP8: scales in the instruction, one chain over k',
    spec: 'mx',
    output: 'f32',
    dot: blockScaled,
    expect: [forms('scaled')],
  },
  {
    name: 'Blackwell MXFP8 with scales rounded up',
    spec: 'mx',
    output: 'f32',
    quantizers: { a: { scale: rceil }, b: { scale: rceil } },
    dot: blockScaled,
    expect: [{ 'a.recipe': 'mx-rceil', 'b.recipe': 'mx-rceil' }, forms('scaled')],
  },
  {
    name: 'MX emulated: dequantized to bf16, Hopper bf16',
    spec: 'mx',
    output: 'f32',
    dot: (dot) => whole(dot, hopperBf16, dequantized(dot, bf16)),
    expect: [forms('bf16'), axesOf(hopperBf16)],
  },
  {
    name: 'weight_dequant to bf16 of both, bf16 product on Hopper',
    spec: 'blockwise',
    output: 'bf16',
    dot: (dot) => whole(dot, hopperBf16, dequantized(dot, bf16)),
    expect: [forms('bf16'), axesOf(hopperBf16)],
  },
  {
    name: 'W8A16: activations in bf16, weights dequantized to bf16 (Marlin), Ampere',
    spec: 'blockwise',
    output: 'f32',
    dot: (dot) => whole(dot, ampereBf16, [dot.x, dequantized(dot, bf16)[1]]),
    expect: [{ 'a.form': 'unquantized', 'b.form': 'bf16', interval: '0' }, axesOf(ampereBf16)],
  },
  {
    name: 'dequantized to f32, TF32 product on Ampere',
    spec: 'blockwise',
    output: 'f32',
    dot: (dot) => whole(dot, { fraction: 24, terms: 4, cut: 'f32-rz' }, dequantized(dot, tf32)),
    expect: [forms('tf32'), axesOf({ fraction: 24, terms: 4, cut: 'f32-rz' })],
  },
  {
    name: 'a reference in f32: dequantized, k ascending',
    spec: 'blockwise',
    output: 'f32',
    dot: (dot) => {
      const [a, b] = dequantized(dot, r);
      let sum = 0;
      for (let t = 0; t < dot.k; t++) sum = fma(a(t), b(t), sum);
      return sum;
    },
    expect: [forms('f32'), { model: 'sequential', order: 'linear' }],
  },
  {
    name: 'a reference in f64',
    spec: 'blockwise',
    output: 'bf16',
    dot: (dot) => {
      const [a, b] = dequantized(dot, (x) => x);
      let sum = 0;
      for (let t = 0; t < dot.k; t++) sum += a(t) * b(t);
      return sum;
    },
    expect: [forms('f32'), { model: 'exact' }],
  },
  {
    name: 'AMD CDNA3 FP8 MFMA, block scales after each 128',
    spec: 'blockwise',
    output: 'f32',
    dot: (dot) => {
      let sum = 0;
      for (let at = 0; at < dot.k; at += 128) sum = deepgemm(dot)(sum, cdna3(dot.terms, at, at + 128), at);
      return sum;
    },
    expect: [{ model: 'cdna3-16' }],
  },
  {
    name: 'AMD CDNA3 FP8 MFMA, per token (hipBLASLt)',
    spec: 'rowwise',
    output: 'f32',
    dot: (dot) => r(cdna3(dot.terms, 0, dot.k) * r(dot.sa(0) * dot.sb(0))),
    expect: [{ model: 'cdna3-16' }],
  },
  {
    name: 'AMD CDNA2: dequantized to bf16, bf16 MFMA',
    spec: 'blockwise',
    output: 'f32',
    dot: (dot) => cdna2(productsOf(dot.k, ...dequantized(dot, bf16)), 0, dot.k),
    expect: [forms('bf16'), { model: 'groups-4' }],
  },
  {
    name: 'split-k of 4, f32 parts added in order',
    spec: 'blockwise',
    output: 'f32',
    dot: (dot) => split([0, 256, 512, 768, 1024], deepgemmPart(dot)).reduce(add),
    expect: [{ split: '4' }],
  },
  {
    name: 'split-k of 4, bf16 parts added in f32',
    spec: 'blockwise',
    output: 'bf16',
    dot: (dot) => split([0, 256, 512, 768, 1024], deepgemmPart(dot)).map(bf16).reduce(add),
    expect: [{ split: '4', 'split.partials': 'bf16' }],
  },
  {
    name: 'split-k of 2, atomics in bf16',
    spec: 'blockwise',
    output: 'bf16',
    dot: (dot) =>
      split([0, 512, 1024], deepgemmPart(dot))
        .map(bf16)
        .reduce((s, x) => bf16(r(s + x))),
    expect: [{ split: '2', 'split.partials': 'bf16', 'split.add': 'bf16' }],
  },
  {
    name: 'CUTLASS serial split-k of 4: the output in bf16 is read again as C',
    spec: 'blockwise',
    output: 'bf16',
    dot: (dot) => split([0, 256, 512, 768, 1024], deepgemmPart(dot)).reduce((s, x) => bf16(r(s + x)), 0),
    expect: [{ split: '4', 'split.partials': 'f32', 'split.add': 'bf16' }],
  },
  {
    name: 'stream-k: three workers on a tile, 3, 3 and 2 blocks',
    spec: 'blockwise',
    output: 'f32',
    dot: (dot) => split([0, 384, 768, 1024], deepgemmPart(dot)).reduce(add),
    expect: [{ split: '3' }],
  },
  {
    name: 'stream-k: five workers, uneven',
    spec: 'blockwise',
    output: 'f32',
    dot: (dot) => split([0, 256, 512, 768, 896, 1024], deepgemmPart(dot)).reduce(add),
    expect: [{ split: '5', 'split.cut': 'balanced-128' }],
  },
  {
    name: 'two warps share each block: every other 32 k (sliced k), added at the end',
    spec: 'rowwise',
    output: 'f32',
    dot: (dot) => {
      const sums = [0, 0];
      for (let at = 0; at < dot.k; at += 32) sums[(at / 32) % 2] = mma(dot, hopper, at, at + 32, sums[(at / 32) % 2]);
      return r(r(sums[0]! + sums[1]!) * r(dot.sa(0) * dot.sb(0)));
    },
    expect: [{ split: '2', 'split.cut': 'interleaved-32', scales: 'epilogue' }],
  },
];

/** Powers of two in the instruction: their exponents go to the products', whose codes keep theirs. */
function blockScaled(dot: Dot): number {
  const terms = { value: dot.terms.value.slice(), exponent: dot.terms.exponent.slice() };
  for (let t = 0; t < dot.k; t++) {
    const scale = dot.sa(t) * dot.sb(t);
    terms.value[t]! *= scale;
    terms.exponent[t]! += exponentOf(scale);
  }
  return blockSum(terms, 0, dot.k, blackwell);
}

function rceil(amax: number, max: number): ReturnType<(typeof scalings)[string]> {
  const quotient = r(amax * r(1 / max));
  const scale = bitsOf(quotient) & 0x7fffff ? 2 ** (exponentOf(quotient) + 1) : quotient;
  return { scale, apply: (x) => x / scale };
}

/** All of them, and what goes wrong in them. */
export const kernels: readonly GemmKernel[] = [...published, ...slips];

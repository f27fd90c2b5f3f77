import { type Hardware, peaksUnderLoad } from './hardware.ts';
import type { ModelShape } from './model.ts';

/** Times of a model's kernels on a GPU by roofline: arithmetic at the speed kernels reach, or bytes at the bandwidth they reach, whichever takes longer. */
export interface KernelTimes {
  /** Prefill attention of `tokens`, in prompts of `context` after `cached` tokens each: projections, core, norms and casts, gate. */
  prefillAttention(tokens: number, context: number, cached?: number): number;
  /** Decode, before the core: latent projections. */
  decodeProjections(tokens: number): number;
  /** Decode: core attention over a cache of `context`, output projection, gate. */
  decodeCore(tokens: number, context: number): number;
  sharedExperts(tokens: number): number;
  /** Routed experts: `rows` token copies over `experts` experts with weights to read. */
  routedExperts(rows: number, experts: number): number;
  denseMlp(tokens: number): number;
  /** Output head. */
  head(tokens: number): number;
  /** Single kernels, for the validation: a gemm of m rows, and core attention of a causal prompt. */
  gemm(m: number, n: number, k: number, grouped?: boolean): number;
  causalCore(tokens: number, context: number): number;
}

/** What kernels are made of, on `sms` of the GPU's SMs; seconds. */
export interface KernelParts {
  /** An FP8 product of m rows; `matrices` weights are read. `rate`: its speed against that of an output's product. */
  gemm(m: number, n: number, k: number, form?: { grouped?: boolean; matrices?: number; rate?: number }): number;
  /** A product in BF16 whose weights are read once. */
  bf16Gemm(m: number, n: number, k: number): number;
  /** Kernels that read and write `bytes` in all. */
  pass(bytes: number, kernels: number): number;
  /** Causal attention of prompts of `context` that begin after `cached` tokens. `rate`: share of the BF16 peak. */
  core(tokens: number, context: number, cached: number, flopsAgainstForward: number, rate: number): number;
  readonly launch: number;
  readonly memory: number;
  readonly bf16: number;
}

/** The parts of kernels on `sms` of the GPU's SMs. HBM is shared: an SM group gets all of it as long as it has a quarter of the SMs. */
export function kernelParts(hardware: Hardware, model: ModelShape, sms: number): KernelParts {
  const { efficiency, latency } = hardware;
  const part = sms / hardware.sms;
  const memory = hardware.hbmGBs.value * 1e9 * Math.min(1, 4 * part);
  const load = peaksUnderLoad(hardware);
  const bf16 = hardware.bf16Tflops.value * 1e12 * part;
  const launch = latency.kernelUs.value * 1e-6;
  return {
    launch,
    memory,
    bf16,
    gemm(m, n, k, { grouped = false, matrices = 1, rate = 1 } = {}) {
      if (m === 0) return 0;
      const factor = rate * (grouped ? efficiency.groupedGemm.value : 1);
      const speed = Math.min(load.fp8, gemmTflops(efficiency.gemm, n, k) * factor) * 1e12 * part;
      const bytes = matrices * n * k + m * k + 2 * m * n;
      return Math.max((2 * m * n * k) / speed, bytes / (memory * efficiency.hbm.value)) + launch;
    },
    bf16Gemm(m, n, k) {
      const speed = load.bf16 * 1e12 * part * efficiency.bf16Gemm.value;
      const bytes = 2 * (n * k + m * k + m * n);
      return Math.max((2 * m * n * k) / speed, bytes / (memory * efficiency.hbm.value)) + launch;
    },
    pass: (bytes, kernels) => bytes / (memory * efficiency.elementwise.value) + kernels * launch,
    core(tokens, context, cached, flopsAgainstForward, rate) {
      // Half of the prompt is before a token in the mean, and all that is cached.
      const forward = tokens * (context + 2 * cached) * model.heads * (model.headDim + model.ropeDim + model.valueDim);
      return (flopsAgainstForward * forward) / (bf16 * rate) + launch;
    },
  };
}

/** Kernel times on `sms` of the GPU's SMs. */
export function kernelTimes(hardware: Hardware, model: ModelShape, sms: number): KernelTimes {
  const { efficiency } = hardware;
  const parts = kernelParts(hardware, model, sms);
  const { gemm, bf16Gemm, pass, launch, memory, bf16 } = parts;
  const { hidden, heads, expertWidth } = model;
  const causalCore = (tokens: number, context: number, cached = 0): number =>
    parts.core(tokens, context, cached, 1, efficiency.prefillAttention.value);
  const mlp = (rows: number, width: number): number =>
    gemm(rows, 2 * width, hidden) +
    gemm(rows, hidden, width) +
    pass(rows * (2 * 2 * width + 1.03 * width + 3 * hidden), 2);
  const gate = (tokens: number): number =>
    bf16Gemm(tokens, model.experts, hidden) + pass(tokens * model.experts * 12, 3);
  const latent = model.cacheRank + model.ropeDim;
  const queryWidth = heads * (model.headDim + model.ropeDim);

  return {
    gemm: (m, n, k, grouped) => gemm(m, n, k, { grouped }),
    causalCore,
    prefillAttention: (tokens, context, cached = 0) =>
      gemm(tokens, model.queryRank + latent, hidden) +
      gemm(tokens, queryWidth, model.queryRank) +
      // Keys and values of the cached tokens are made anew from their latents.
      gemm(tokens * (1 + cached / context), heads * (model.headDim + model.valueDim), model.cacheRank) +
      causalCore(tokens, context, cached) +
      gemm(tokens, hidden, heads * model.valueDim) +
      // Two norms with residual, casts of their results; rotary on queries and keys and the copy of keys to all heads; the cast of the output.
      pass(tokens * (2 * 6 * hidden + 2 * 3 * hidden + 3 * 2 * queryWidth + 3 * heads * model.valueDim), 8) +
      gate(tokens),
    decodeProjections: (tokens) =>
      gemm(tokens, model.queryRank + latent, hidden) +
      gemm(tokens, queryWidth, model.queryRank) +
      // Queries meet the keys' up-projection here, head by head, in BF16.
      bf16Gemm(tokens, heads * model.cacheRank, model.headDim) +
      pass(tokens * (9 * hidden + 2 * queryWidth), 5),
    decodeCore: (tokens, context) =>
      Math.max(
        (2 * tokens * context * heads * (latent + model.cacheRank)) / (bf16 * efficiency.decodeAttention.value),
        (2 * tokens * context * latent) / (memory * efficiency.cache.value),
      ) +
      launch +
      bf16Gemm(tokens, heads * model.valueDim, model.cacheRank) +
      gemm(tokens, hidden, heads * model.valueDim) +
      pass(tokens * (3 * heads * model.valueDim + 9 * hidden), 3) +
      gate(tokens),
    sharedExperts: (tokens) => model.sharedExperts * mlp(tokens, expertWidth),
    routedExperts: (rows, experts) =>
      rows === 0
        ? 0
        : gemm(rows, 2 * expertWidth, hidden, { grouped: true, matrices: experts }) +
          gemm(rows, hidden, expertWidth, { grouped: true, matrices: experts }) +
          // Rows to their places with scales, SwiGLU with cast, sums of a token's rows.
          pass(rows * (2 * 1.03 * hidden + 2 * 2 * expertWidth + 1.03 * expertWidth + 2 * 2 * hidden), 4),
    denseMlp: (tokens) => mlp(tokens, model.denseWidth),
    head: (tokens) => bf16Gemm(tokens, model.vocabulary, hidden),
  };
}

/** Speed of a gemm: that of the shape nearest in n and k, on a scale of ratios. */
function gemmTflops(table: Hardware['efficiency']['gemm'], n: number, k: number): number {
  const distance = (row: { n: number; k: number }): number =>
    Math.abs(Math.log(row.n / n)) + 2 * Math.abs(Math.log(row.k / k));
  return table.reduce((best, row) => (distance(row) < distance(best) ? row : best)).tflops;
}

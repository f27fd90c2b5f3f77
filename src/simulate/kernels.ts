import type { Hardware } from './hardware.ts';
import type { ModelShape } from './model.ts';

/** Work of one kind that a GPU does for some tokens of a layer. */
export interface Work {
  /** Seconds on a number of SMs. */
  readonly seconds: number;
  readonly kernels: number;
}

/** Times of a model's kernels on a GPU by roofline: arithmetic at the speed kernels reach, or bytes at the bandwidth they reach, whichever takes longer. */
export interface KernelTimes {
  /** Prefill attention of `tokens`, in prompts of `context`: projections, core, norms and casts, gate. */
  prefillAttention(tokens: number, context: number): number;
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

/** Kernel times on `sms` of the GPU's SMs. HBM is shared: an SM group gets all of it as long as it has a quarter of the SMs. */
export function kernelTimes(hardware: Hardware, model: ModelShape, sms: number): KernelTimes {
  const { efficiency, latency } = hardware;
  const part = sms / hardware.sms;
  const memory = hardware.hbmGBs.value * 1e9 * Math.min(1, 4 * part);
  const bf16 = hardware.bf16Tflops.value * 1e12 * part;
  const launch = latency.kernelUs.value * 1e-6;
  const { hidden, heads, expertWidth } = model;

  const gemm = (m: number, n: number, k: number, grouped = false, matrices = 1): number => {
    if (m === 0) return 0;
    const factor = grouped ? efficiency.groupedGemm.value : 1;
    const arithmetic = (2 * m * n * k) / (gemmTflops(efficiency.gemm, n, k) * 1e12 * factor * part);
    const bytes = matrices * n * k + m * k + 2 * m * n;
    return Math.max(arithmetic, bytes / (memory * efficiency.hbm.value)) + launch;
  };
  /** A product in BF16 whose weights are read once. */
  const bf16Gemm = (m: number, n: number, k: number): number =>
    Math.max((2 * m * n * k) / (bf16 * 0.6), (2 * (n * k + m * k + m * n)) / (memory * efficiency.hbm.value)) + launch;
  const pass = (bytes: number, kernels: number): number =>
    bytes / (memory * efficiency.elementwise.value) + kernels * launch;
  const causalCore = (tokens: number, context: number): number =>
    (tokens * context * heads * (model.headDim + model.ropeDim + model.valueDim)) /
      (bf16 * efficiency.prefillAttention.value) +
    launch;
  const mlp = (rows: number, width: number): number =>
    gemm(rows, 2 * width, hidden) +
    gemm(rows, hidden, width) +
    pass(rows * (2 * 2 * width + 1.03 * width + 3 * hidden), 2);
  const gate = (tokens: number): number =>
    bf16Gemm(tokens, model.experts, hidden) + pass(tokens * model.experts * 12, 3);
  const latent = model.cacheRank + model.ropeDim;
  const queryWidth = heads * (model.headDim + model.ropeDim);

  return {
    gemm: (m, n, k, grouped) => gemm(m, n, k, grouped),
    causalCore,
    prefillAttention: (tokens, context) =>
      gemm(tokens, model.queryRank + latent, hidden) +
      gemm(tokens, queryWidth, model.queryRank) +
      gemm(tokens, heads * (model.headDim + model.valueDim), model.cacheRank) +
      causalCore(tokens, context) +
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
        : gemm(rows, 2 * expertWidth, hidden, true, experts) +
          gemm(rows, hidden, expertWidth, true, experts) +
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

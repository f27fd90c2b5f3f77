import type { Hardware } from './hardware.ts';
import { kernelParts } from './kernels.ts';
import type { ModelShape } from './model.ts';

/** Times of the backward pass of a layer on a GPU, seconds: for inputs and for weights apart, as ZeroBubble and DualPipe split it. */
export interface BackwardTimes {
  /** Attention: gradients of inputs, with what is recomputed (norms and up-projections, V3 section 3.2.3). */
  attentionInputs(tokens: number, context: number): number;
  attentionWeights(tokens: number): number;
  /** Routed experts of `rows` token copies and shared experts of `tokens`. */
  expertsInputs(rows: number, experts: number, tokens: number): number;
  expertsWeights(rows: number, experts: number, tokens: number): number;
}

/**
 * Backward times by the same roofline as forward ones. A product's two gradients take as many multiply-adds as the product each; operands of weight gradients are
 * cast again along the other axis (V3 section 3.3.1). Bytes of the passes between products are counted operand by operand.
 */
export function backwardTimes(hardware: Hardware, model: ModelShape, sms: number): BackwardTimes {
  const { gemm, pass, core } = kernelParts(hardware, model, sms);
  const { efficiency } = hardware;
  const { hidden, heads, expertWidth: width } = model;
  const rate = efficiency.weightGemm.value;
  const latent = model.cacheRank + model.ropeDim;
  const query = heads * (model.headDim + model.ropeDim);
  const keyValue = heads * (model.headDim + model.valueDim);
  const output = heads * model.valueDim;
  /** Five products instead of two, three of them over the width of queries. */
  const coreFlops =
    (3 * (model.headDim + model.ropeDim) + 2 * model.valueDim) / (model.headDim + model.ropeDim + model.valueDim);
  // A value of BF16 has 2 bytes, one of FP8 1.03 with its scale.
  const cast = 2 + 1.03;
  const turn = 2 * 1.03;
  /** Gates, ups and the gradient are read, gradients of gates and ups written and cast, the result made and cast again. */
  const swigluBytes = (10 + 2 * cast + 1.03) * width;
  return {
    attentionInputs: (tokens, context) =>
      gemm(tokens, output, hidden) +
      gemm(tokens, query, model.queryRank) +
      gemm(tokens, keyValue, model.cacheRank) +
      core(tokens, context, 0, coreFlops, efficiency.backwardAttention.value) +
      gemm(tokens, model.queryRank, query) +
      gemm(tokens, model.cacheRank, keyValue) +
      gemm(tokens, hidden, model.queryRank + latent) +
      pass(tokens * attentionBytes(), 20),
    attentionWeights: (tokens) =>
      gemm(output, hidden, tokens, { rate }) +
      gemm(query, model.queryRank, tokens, { rate }) +
      gemm(keyValue, model.cacheRank, tokens, { rate }) +
      gemm(model.queryRank + latent, hidden, tokens, { rate }) +
      // The other cast of gradients and activations.
      pass(tokens * (turn * (output + query + keyValue + 2 * hidden) + turn * (hidden + model.queryRank + latent)), 8),
    expertsInputs: (rows, experts, tokens) =>
      (rows === 0
        ? 0
        : gemm(rows, width, hidden, { grouped: true, matrices: experts }) +
          gemm(rows, hidden, 2 * width, { grouped: true, matrices: experts }) +
          // Gradients to their rows, SwiGLU back with its result made again, casts, sums of a token's rows.
          pass(rows * (turn * hidden + swigluBytes + 4 * hidden), 6)) +
      model.sharedExperts *
        (gemm(tokens, width, hidden) + gemm(tokens, hidden, 2 * width) + pass(tokens * (swigluBytes + 4 * hidden), 4)),
    expertsWeights: (rows, experts, tokens) =>
      (rows === 0 ? 0 : weightsOfExperts(rows, experts)) + model.sharedExperts * weightsOfExperts(tokens, 1),
  };

  function attentionBytes(): number {
    const again = 3 * 2 * query + 2 * 2 * hidden;
    const aroundCore = 2 * 2 * output + 3 * 2 * query + 2 * 2 * query;
    const copies = 2 * 2 * keyValue;
    const casts = cast * (query + keyValue + hidden);
    const norms = 2 * 3 * 2 * hidden + 2 * 2 * hidden;
    return again + aroundCore + copies + casts + norms;
  }

  function weightsOfExperts(rows: number, experts: number): number {
    const each = rows / experts;
    const first = experts * gemm(2 * width, hidden, each, { grouped: experts > 1, rate });
    const second = experts * gemm(hidden, width, each, { grouped: experts > 1, rate });
    return first + second + pass(rows * turn * (2 * hidden + 3 * width), 4);
  }
}

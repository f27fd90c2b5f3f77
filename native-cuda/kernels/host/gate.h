#pragma once
// The gate on the host.

#include "../gate.h"

namespace fp8lab::host {

Tensors compute(const GateSpec& spec, const Tensors& inputs, int threads);
i64 bytes_made(const GateSpec& spec);

/** What a softmax over some logits needs of them, as f32 bits. */
struct SoftmaxSums {
  u32 largest;
  u32 sum;
};

/** The largest of some logits and the sum of e^(l - largest); NaN where a logit is. */
SoftmaxSums softmax_sums(const u32* logits, i64 count);

/** f32 bits of the scores of a token's logits. */
void scores_of(Score score, const u32* logits, i64 count, u32* scores);

}  // namespace fp8lab::host

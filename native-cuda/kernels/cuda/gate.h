#pragma once
// The gate on a CUDA device.

#include <cuda_runtime.h>

#include <string>

#include "../gate.h"
#include "api.h"

namespace fp8lab::cuda {

/** Experts and weights of every token; pointers are on the device, those that a spec has no use for are null. */
struct GateLaunch {
  GateRule rule;
  i64 tokens, experts;
  /** [tokens, experts] in any format. */
  MatrixView logits;
  /** f32 bits [experts]. */
  const u32* bias;
  const u32* mask;
  /** [tokens, topk], in place of a choice. */
  const u32* indices;
  u32* topk_idx;
  u32* topk_weights;
  /** Zeros before. */
  u32* load;
  u32* near_ties;
  u32* group_gaps;
};

/** A warp a token, its keys in shared memory. Asynchronous on `stream`. */
void launch_gate(const GateLaunch& gate, cudaStream_t stream, const std::string& where);

Tensors compute(const GateSpec& spec, const Tensors& inputs, const std::string& where);

}  // namespace fp8lab::cuda

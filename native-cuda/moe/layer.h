#pragma once
// One mixture-of-experts layer over ranks, bit for bit that of docs/numerics.md, "MoE layer".

#include "../kernels/device.h"
#include "slices.h"
#include "transport.h"

namespace fp8lab::moe {

/** Milliseconds of wall clock of the parts of a layer, on one rank. */
struct LayerTimes {
  double inputs = 0, gate = 0, dispatch = 0, experts = 0, combine = 0;
};

/** What a rank has after a layer. */
struct LayerResult {
  /** On rank 0: y, topk_idx and topk_weights of all tokens. Elsewhere empty. */
  Tensors tensors;
  /** Bytes that this rank sent to each, to experts and back. */
  std::vector<i64> dispatched, combined;
  LayerTimes times;
};

/** Computes this rank's part of the layer; all ranks of the transport do so together. */
LayerResult run_layer(const MoeLayerSpec& spec, const Tensors& given, Transport& transport, int threads);

}  // namespace fp8lab::moe

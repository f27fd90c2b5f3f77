#pragma once
// permute and unpermute on a CUDA device.

#include <cuda_runtime.h>

#include <string>

#include "../../specs/kernels/permute.h"
#include "../../specs/kernels/unpermute.h"
#include "../../tensors/tensor.h"
#include "../host/kernels.h"
#include "api.h"
#include "check.h"

namespace fp8lab::cuda {

/** Slots by expert, on device pointers; `bases` and `ranks` are scratch of slot_blocks(slots) * experts and of slots words. */
struct PlaceLaunch {
  const u32* topk_idx;
  i64 slots, experts, alignment;
  /** Rows of a block that each expert has, filled or not; 0: experts lie one behind the other. */
  i64 stride;
  i64 rows;
  u32* bases;
  u32* ranks;
  u32* counts;
  u32* offsets;
  u32* row_to_slot;
  u32* slot_to_row;
};

/** Blocks that slots are counted in: a warp each. */
i64 slot_blocks(i64 slots);

/** A stable counting sort by prefix sums: no atomics, so that the order is that of the slots. Asynchronous on `stream`. */
void launch_place(const PlaceLaunch& place, cudaStream_t stream, const std::string& where);

/** Row r of `target` is row floor(row_to_slot[r] / topk) of `source`; zeros where there is none. Rows have `row_bytes`. */
void launch_gather(const void* source, void* target, const u32* row_to_slot, i64 rows, i64 row_bytes, i64 topk, cudaStream_t stream, const std::string& where);

/** acc = fma(x, weight, acc) over every token's slots, rounded to `output`; `weights` may be null. */
struct SumLaunch {
  MatrixView x;
  const u32* slot_to_row;
  const u32* weights;
  i64 tokens, topk;
  FormatId output;
  void* out;
};
void launch_sum_slots(const SumLaunch& sum, cudaStream_t stream, const std::string& where);

/** A tensor's rows gathered on the device, back on the host. */
Tensor gather(const Tensor& source, const Buffer& row_to_slot, i64 rows, i64 topk, const std::string& where);
/** Adds codes and scales of moved rows, the scales in the scheme's own layout, and nvfp4's `tensor_scale`. */
void gather_quantized(const host::Quantized& quantized, const Scheme& scheme, const Buffer& row_to_slot, i64 rows, i64 topk, Tensors& tensors, const std::string& where);

Tensors compute(const PermuteSpec& spec, const Tensors& inputs, const std::string& where);
Tensors compute(const UnpermuteSpec& spec, const Tensors& inputs, const std::string& where);

}  // namespace fp8lab::cuda

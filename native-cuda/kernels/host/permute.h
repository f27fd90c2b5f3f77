#pragma once
// permute and unpermute on the host.

#include "../../specs/kernels/permute.h"
#include "../../specs/kernels/unpermute.h"
#include "../inputs.h"
#include "../placement.h"
#include "kernels.h"

namespace fp8lab::host {

/** Row r of the result is row floor(row_to_slot[r] / topk) of `source`, rows of `row_bytes`; zeros where there is none. */
void gather_rows(const u8* source, i64 row_bytes, const std::vector<u32>& row_to_slot, i64 topk, u8* target, int threads);

/** Codes and scales of moved rows, the scales in the scheme's own layout. */
Quantized move_quantized(const Quantized& quantized, const Scheme& scheme, const std::vector<u32>& row_to_slot, i64 topk, int threads);

/** The sum over every token's slots, acc = fma(x, weight, acc), rounded to `output`; `weights` may be null. */
Tensor sum_slots(const Tensor& x, const u32* slot_to_row, const u32* weights, i64 tokens, i64 topk, FormatId output, int threads);

Tensors compute(const PermuteSpec& spec, const Tensors& inputs, int threads);
Tensors compute(const UnpermuteSpec& spec, const Tensors& inputs, int threads);
i64 bytes_made(const PermuteSpec& spec);
i64 bytes_made(const UnpermuteSpec& spec);

}  // namespace fp8lab::host

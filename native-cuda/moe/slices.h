#pragma once
// What a rank holds: consecutive tokens, consecutive experts, and the inputs of those alone.

#include "../specs/kernels/moe_layer.h"
#include "../tensors/tensor.h"

namespace fp8lab::moe {

/** Consecutive items of a rank. */
struct Share {
  i64 first;
  i64 count;
  bool holds(i64 item) const { return item >= first && item < first + count; }
};

/** The share of a rank: as even as it can be, the ranks in order. */
Share share_of(i64 items, int rank, int ranks);

/** The rank that an item belongs to. */
int owner_of(i64 item, i64 items, int ranks);

/** A rank's inputs of a layer: rows of x, logits and mask of its tokens, weights of its experts, the whole bias. `given` as for a run. */
Tensors rank_inputs(const MoeLayerSpec& spec, const Tensors& given, const Share& tokens, const Share& experts, int threads);

/** Rows of a tensor along its first extent. */
Tensor rows_of(const Tensor& tensor, const Share& rows);

/** Refuses layers that ranks cannot share: fewer tokens or experts than ranks, and schemes that look beyond a row of x. */
void require_shareable(const MoeLayerSpec& spec, int ranks);

}  // namespace fp8lab::moe

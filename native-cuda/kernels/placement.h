#pragma once
// Where slots of tokens go: docs/numerics.md, "Permutation". The twin of src/kernels/permute/reference.ts.

#include <vector>

#include "../specs/kernels/permute.h"
#include "../tensors/tensor.h"

namespace fp8lab {

/** Lanes of the I32 maps. */
struct Placement {
  /** Rows of each expert. */
  std::vector<u32> counts;
  /** First row of each expert, and the end of the last. */
  std::vector<u32> offsets;
  /** Slot (token * topk + slot) of every row; `nowhere` for padding. */
  std::vector<u32> row_to_slot;
  /** Row of every slot; `nowhere` for none. */
  std::vector<u32> slot_to_row;
};

/** Places slots by expert, in the order of slots inside an expert; `topk_idx` holds tokens * topk lanes, negative ones go nowhere.
 * `stride`: rows of a block that each expert has, filled or not; 0: experts lie one behind the other. */
Placement place_slots(const u32* topk_idx, i64 tokens, i64 experts, i64 topk, i64 alignment, i64 stride = 0);

/** An I32 tensor of these lanes. */
Tensor integer_tensor(const std::vector<u32>& lanes, std::vector<i64> shape);

/** Enters the maps under the contract's names. */
void add_placement(const Placement& placement, i64 tokens, i64 topk, Tensors& tensors);

/** Lanes of an I32 tensor of this shape whose elements are below `below`, or negative for none; refuses others. */
const u32* require_indices(const std::string& name, const Tensors& tensors, const std::vector<i64>& shape, i64 below);

/** The same as a copy, in which all that are negative are `nowhere`. */
std::vector<u32> require_rows(const std::string& name, const Tensors& tensors, const std::vector<i64>& shape, i64 below);

/** f32 bits of a tensor of this shape; refuses another dtype. */
const u32* require_f32(const std::string& name, const Tensors& tensors, const std::vector<i64>& shape);

}  // namespace fp8lab

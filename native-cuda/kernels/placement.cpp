#include "placement.h"

#include <algorithm>

#include "../errors.h"
#include "tiles.h"

namespace fp8lab {

Placement place_slots(const u32* topk_idx, i64 tokens, i64 experts, i64 topk, i64 alignment, i64 stride) {
  const auto slots = static_cast<std::size_t>(tokens * topk);
  Placement placement;
  placement.counts.assign(static_cast<std::size_t>(experts), 0);
  placement.offsets.assign(static_cast<std::size_t>(experts + 1), 0);
  placement.row_to_slot.assign(static_cast<std::size_t>(stride > 0 ? experts * stride : permuted_rows(tokens, experts, topk, alignment)), nowhere);
  placement.slot_to_row.assign(slots, nowhere);
  for (std::size_t slot = 0; slot < slots; slot++) {
    if (topk_idx[slot] < experts) placement.counts[topk_idx[slot]]++;
  }
  for (std::size_t expert = 0; expert < placement.counts.size(); expert++) {
    const i64 count = placement.counts[expert];
    const i64 rows = stride > 0 ? stride : (count + alignment - 1) / alignment * alignment;
    placement.offsets[expert + 1] = placement.offsets[expert] + static_cast<u32>(rows);
  }
  std::vector<u32> next = placement.offsets;
  for (std::size_t slot = 0; slot < slots; slot++) {
    if (topk_idx[slot] >= experts) continue;
    const u32 row = next[topk_idx[slot]]++;
    placement.slot_to_row[slot] = row;
    placement.row_to_slot[row] = static_cast<u32>(slot);
  }
  return placement;
}

Tensor integer_tensor(const std::vector<u32>& lanes, std::vector<i64> shape) {
  Tensor tensor = allocate_result(DType::I32, std::move(shape));
  std::copy(lanes.begin(), lanes.end(), tensor.lanes.as<u32>());
  return tensor;
}

void add_placement(const Placement& placement, i64 tokens, i64 topk, Tensors& tensors) {
  const auto extent = [](const std::vector<u32>& lanes) { return std::vector<i64>{static_cast<i64>(lanes.size())}; };
  tensors.emplace("counts", integer_tensor(placement.counts, extent(placement.counts)));
  tensors.emplace("offsets", integer_tensor(placement.offsets, extent(placement.offsets)));
  tensors.emplace("row_to_slot", integer_tensor(placement.row_to_slot, extent(placement.row_to_slot)));
  tensors.emplace("slot_to_row", integer_tensor(placement.slot_to_row, {tokens, topk}));
}

const u32* require_indices(const std::string& name, const Tensors& tensors, const std::vector<i64>& shape, i64 below) {
  const Tensor& tensor = require_tensor(tensors, name);
  require_shape(name, tensor, shape);
  require_dtype(name, tensor, DType::I32);
  const u32* lanes = tensor.lanes.as<u32>();
  for (i64 i = 0; i < tensor.lanes.count(); i++) {
    if (lanes[i] < below || lanes[i] >= 0x80000000u) continue;
    throw input_error(
        "out-of-range", name + " has " + std::to_string(lanes[i]) + " at element " + std::to_string(i) + "; there are " + std::to_string(below),
        name + ", element " + std::to_string(i), "give 0 to " + std::to_string(below - 1) + ", or -1 for none");
  }
  return lanes;
}

std::vector<u32> require_rows(const std::string& name, const Tensors& tensors, const std::vector<i64>& shape, i64 below) {
  const u32* lanes = require_indices(name, tensors, shape, below);
  std::vector<u32> rows(lanes, lanes + require_tensor(tensors, name).lanes.count());
  std::replace_if(rows.begin(), rows.end(), [](u32 row) { return row >= 0x80000000u; }, nowhere);
  return rows;
}

const u32* require_f32(const std::string& name, const Tensors& tensors, const std::vector<i64>& shape) {
  const Tensor& tensor = require_tensor(tensors, name);
  require_shape(name, tensor, shape);
  require_dtype(name, tensor, DType::F32);
  return tensor.lanes.as<u32>();
}

}  // namespace fp8lab

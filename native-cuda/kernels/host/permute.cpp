#include "permute.h"

#include <algorithm>
#include <cstring>

#include "../tiles.h"
#include "parallel.h"

namespace fp8lab::host {

namespace {

/** Bytes that a task moves at least. */
constexpr i64 task_bytes = 1 << 18;
/** Columns that a sum works on at a time. */
constexpr i64 sum_span = 1024;

i64 rows_of(const PermuteSpec& spec) { return permuted_rows(spec.tokens, spec.experts, spec.topk, spec.alignment); }

/** Adds a slot's row to the sums of some columns. */
void add_slot(const u32* values, i64 count, const u32* weight, u32* sums) {
  for (i64 i = 0; i < count; i++) {
    const float value = bits_float(values[i]), sum = bits_float(sums[i]);
    sums[i] = canonical_bits(weight == nullptr ? add_rn(value, sum) : fma_rn(value, bits_float(*weight), sum));
  }
}

}  // namespace

void gather_rows(const u8* source, i64 row_bytes, const std::vector<u32>& row_to_slot, i64 topk, u8* target, int threads) {
  const auto rows = static_cast<i64>(row_to_slot.size());
  const i64 some = std::max<i64>(1, task_bytes / std::max<i64>(1, row_bytes));
  const auto bytes = static_cast<std::size_t>(row_bytes);
  parallel_for(threads, (rows + some - 1) / some, [&](i64 task) {
    for (i64 row = task * some; row < std::min((task + 1) * some, rows); row++) {
      const u32 slot = row_to_slot[static_cast<std::size_t>(row)];
      if (slot == nowhere) {
        std::memset(target + row * row_bytes, 0, bytes);
      } else {
        std::memcpy(target + row * row_bytes, source + slot / topk * row_bytes, bytes);
      }
    }
  });
}

Quantized move_quantized(const Quantized& quantized, const Scheme& scheme, const std::vector<u32>& row_to_slot, i64 topk, int threads) {
  const Tensor& codes = *quantized.codes;
  const i64 tokens = codes.shape[0], hidden = codes.shape[1];
  const auto rows = static_cast<i64>(row_to_slot.size());
  auto moved = std::make_shared<Tensor>(allocate_result(codes.dtype, {rows, hidden}));
  gather_rows(codes.lanes.data(), hidden * codes.lanes.width(), row_to_slot, topk, moved->lanes.data(), threads);
  const std::vector<u32> stored = load_scales(*quantized.scales, tile_grid(tokens, hidden, scheme), scheme);
  const TileGrid grid = tile_grid(rows, hidden, scheme);
  std::vector<u32> scales(static_cast<std::size_t>(rows * grid.columns));
  gather_rows(reinterpret_cast<const u8*>(stored.data()), 4 * grid.columns, row_to_slot, topk, reinterpret_cast<u8*>(scales.data()), threads);
  return {moved, std::make_shared<Tensor>(store_scales(scales.data(), grid, scheme)), quantized.tensor_scale};
}

Tensor sum_slots(const Tensor& x, const u32* slot_to_row, const u32* weights, i64 tokens, i64 topk, FormatId output, int threads) {
  const i64 hidden = x.shape[1];
  const RowSource source = widened(x);
  Tensor result = allocate_result(dtype_of(output), {tokens, hidden});
  const i64 some = std::max<i64>(1, task_bytes / (4 * hidden * topk));
  parallel_for(threads, (tokens + some - 1) / some, [&](i64 task) {
    std::vector<u32> values(sum_span), sums(sum_span);
    for (i64 token = task * some; token < std::min((task + 1) * some, tokens); token++) {
      for (i64 from = 0; from < hidden; from += sum_span) {
        const i64 count = std::min(sum_span, hidden - from);
        std::fill(sums.begin(), sums.end(), 0);
        for (i64 slot = token * topk; slot < (token + 1) * topk; slot++) {
          if (slot_to_row[slot] == nowhere) continue;
          source(slot_to_row[slot], from, count, values.data());
          add_slot(values.data(), count, weights == nullptr ? nullptr : weights + slot, sums.data());
        }
        narrow(sums.data(), count, output, result.lanes, token * hidden + from);
      }
    }
  });
  return result;
}

Tensors compute(const PermuteSpec& spec, const Tensors& inputs, int threads) {
  const u32* topk_idx = require_indices("topk_idx", inputs, {spec.tokens, spec.topk}, spec.experts);
  const Placement placement = place_slots(topk_idx, spec.tokens, spec.experts, spec.topk, spec.alignment);
  Tensors tensors;
  add_placement(placement, spec.tokens, spec.topk, tensors);
  if (spec.x.quantized) {
    const OperandSpec& operand = spec.x.operand;
    const Quantized x = quantized_operand("x", operand, inputs, spec.tokens, spec.hidden, threads);
    Quantized moved = move_quantized(x, operand.scheme, placement.row_to_slot, spec.topk, threads);
    tensors.emplace("codes", take(moved.codes));
    tensors.emplace("scales", take(moved.scales));
    if (moved.tensor_scale) tensors.emplace("tensor_scale", integer_tensor({moved.tensor_scale->lanes.get(0)}, {1})).first->second.dtype = DType::F32;
    return tensors;
  }
  const Tensor& x = require_tensor(inputs, "x");
  require_shape("x", x, {spec.tokens, spec.hidden});
  Tensor moved = allocate_result(x.dtype, {rows_of(spec), spec.hidden});
  gather_rows(x.lanes.data(), spec.hidden * x.lanes.width(), placement.row_to_slot, spec.topk, moved.lanes.data(), threads);
  tensors.emplace("x", std::move(moved));
  return tensors;
}

Tensors compute(const UnpermuteSpec& spec, const Tensors& inputs, int threads) {
  const Tensor& x = require_tensor(inputs, "x");
  require_shape("x", x, {spec.rows, spec.hidden});
  const std::vector<u32> slot_to_row = require_rows("slot_to_row", inputs, {spec.tokens, spec.topk}, spec.rows);
  const bool weighted = spec.topk_weights.has_value() || inputs.count("topk_weights") != 0;
  const u32* weights = weighted ? require_f32("topk_weights", inputs, {spec.tokens, spec.topk}) : nullptr;
  Tensors tensors;
  tensors.emplace("x", sum_slots(x, slot_to_row.data(), weights, spec.tokens, spec.topk, spec.output, threads));
  return tensors;
}

i64 bytes_made(const PermuteSpec& spec) {
  const i64 width = spec.x.quantized ? lane_bytes(dtype_of(spec.x.operand.scheme.format)) : 4;
  return (rows_of(spec) + spec.tokens) * spec.hidden * width + 8 * (rows_of(spec) + spec.tokens * spec.topk);
}

i64 bytes_made(const UnpermuteSpec& spec) { return spec.tokens * spec.hidden * lane_bytes(dtype_of(spec.output)); }

}  // namespace fp8lab::host

// permute and unpermute as a Device runs them: uploads, launches, downloads.

#include "moe.h"

#include "../placement.h"
#include "../tiles.h"
#include "matrix.h"
#include "transfer.h"

namespace fp8lab::cuda {

using host::Quantized;

Tensor gather(const Tensor& source, const Buffer& row_to_slot, i64 rows, i64 topk, const std::string& where) {
  const i64 columns = source.shape[1], row_bytes = columns * source.lanes.width();
  const Buffer from = upload(source.lanes.data(), source.lanes.bytes(), where);
  const Buffer to(rows * row_bytes, where);
  launch_gather(from.as(), to.as(), row_to_slot.as<u32>(), rows, row_bytes, topk, nullptr, where);
  finish(where);
  return download(to, source.dtype, {rows, columns}, where);
}

void gather_quantized(const Quantized& quantized, const Scheme& scheme, const Buffer& row_to_slot, i64 rows, i64 topk, Tensors& tensors, const std::string& where) {
  const i64 tokens = quantized.codes->shape[0], hidden = quantized.codes->shape[1];
  const std::vector<u32> stored = load_scales(*quantized.scales, tile_grid(tokens, hidden, scheme), scheme);
  const TileGrid grid = tile_grid(rows, hidden, scheme);
  const Tensor scales = gather(integer_tensor(stored, {tokens, grid.columns}), row_to_slot, rows, topk, where);
  tensors.emplace("codes", gather(*quantized.codes, row_to_slot, rows, topk, where));
  tensors.emplace("scales", store_scales(scales.lanes.as<u32>(), grid, scheme));
  if (quantized.tensor_scale) tensors.emplace("tensor_scale", integer_tensor({quantized.tensor_scale->lanes.get(0)}, {1})).first->second.dtype = DType::F32;
}

Tensors compute(const PermuteSpec& spec, const Tensors& inputs, const std::string& where) {
  const i64 slots = spec.tokens * spec.topk, rows = permuted_rows(spec.tokens, spec.experts, spec.topk, spec.alignment);
  const u32* topk_idx = require_indices("topk_idx", inputs, {spec.tokens, spec.topk}, spec.experts);
  const Buffer experts = upload_words(topk_idx, slots, where);
  const Buffer bases(4 * slot_blocks(slots) * spec.experts, where), ranks(4 * slots, where);
  const Buffer counts(4 * spec.experts, where), offsets(4 * (spec.experts + 1), where), row_to_slot(4 * rows, where), slot_to_row(4 * slots, where);
  launch_place({experts.as<u32>(), slots, spec.experts, spec.alignment, 0, rows, bases.as<u32>(), ranks.as<u32>(), counts.as<u32>(), offsets.as<u32>(), row_to_slot.as<u32>(),
                slot_to_row.as<u32>()},
               nullptr, where);
  finish(where);
  Tensors tensors;
  tensors.emplace("counts", download(counts, DType::I32, {spec.experts}, where));
  tensors.emplace("offsets", download(offsets, DType::I32, {spec.experts + 1}, where));
  tensors.emplace("row_to_slot", download(row_to_slot, DType::I32, {rows}, where));
  tensors.emplace("slot_to_row", download(slot_to_row, DType::I32, {spec.tokens, spec.topk}, where));
  if (!spec.x.quantized) {
    const Tensor& x = require_tensor(inputs, "x");
    require_shape("x", x, {spec.tokens, spec.hidden});
    tensors.emplace("x", gather(x, row_to_slot, rows, spec.topk, where));
    return tensors;
  }
  const Quantized x = operand("x", spec.x.operand, inputs, spec.tokens, spec.hidden, where);
  gather_quantized(x, spec.x.operand.scheme, row_to_slot, rows, spec.topk, tensors, where);
  return tensors;
}

Tensors compute(const UnpermuteSpec& spec, const Tensors& inputs, const std::string& where) {
  const i64 slots = spec.tokens * spec.topk;
  const Tensor& x = require_tensor(inputs, "x");
  require_shape("x", x, {spec.rows, spec.hidden});
  const Matrix rows = upload_matrix(x, where);
  const Buffer map = upload_words(require_rows("slot_to_row", inputs, {spec.tokens, spec.topk}, spec.rows).data(), slots, where);
  const bool weighted = spec.topk_weights.has_value() || inputs.count("topk_weights") != 0;
  Buffer weights;
  if (weighted) weights = upload_words(require_f32("topk_weights", inputs, {spec.tokens, spec.topk}), slots, where);
  const DType dtype = dtype_of(spec.output);
  const Buffer out(spec.tokens * spec.hidden * lane_bytes(dtype), where);
  launch_sum_slots({rows.view, map.as<u32>(), weighted ? weights.as<u32>() : nullptr, spec.tokens, spec.topk, spec.output, out.as()}, nullptr, where);
  finish(where);
  Tensors tensors;
  tensors.emplace("x", download(out, dtype, {spec.tokens, spec.hidden}, where));
  return tensors;
}

}  // namespace fp8lab::cuda

// dispatch and combine as a Device runs them: uploads, launches, downloads.

#include "dispatch.h"

#include "../host/dispatch.h"
#include "../placement.h"
#include "matrix.h"
#include "moe.h"
#include "transfer.h"

namespace fp8lab::cuda {

namespace {

using host::Quantized;

/** Device memory of so many zero words. */
Buffer zero_words(i64 count, const std::string& where) {
  Buffer buffer(4 * count, where);
  check(cudaMemset(buffer.as(), 0, static_cast<std::size_t>(4 * count)), "cudaMemset", where);
  return buffer;
}

Routes routes_of(const Topology& system, const Buffer& topk_idx) {
  return {topk_idx.as<u32>(), system.all_tokens(), system.topk, system.experts, system.ranks, system.gpus_per_node};
}

void add_traffic(const Routes& routes, const u32* slot_to_row, Way way, bool back, i64 message, Tensors& tensors, const std::string& where) {
  const i64 nodes = routes.ranks / routes.gpus_per_node;
  const Buffer ib = zero_words(nodes * nodes, where), nvlink = zero_words(routes.ranks * routes.ranks, where);
  launch_traffic({routes, slot_to_row, way, back, static_cast<u32>(message), ib.as<u32>(), nvlink.as<u32>()}, nullptr, where);
  finish(where);
  tensors.emplace("ib_bytes", download(ib, DType::I32, {nodes, nodes}, where));
  tensors.emplace("nvlink_bytes", download(nvlink, DType::I32, {routes.ranks, routes.ranks}, where));
}

/** The rows themselves: as they are, or as codes and scales. */
void add_rows(const DispatchSpec& spec, const Tensors& inputs, const Buffer& row_to_slot, Tensors& tensors, const std::string& where) {
  if (!spec.x.quantized) {
    const Tensor& x = require_tensor(inputs, "x");
    require_shape("x", x, {spec.all_tokens(), spec.hidden});
    tensors.emplace("x", gather(x, row_to_slot, spec.rows(), spec.topk, where));
    return;
  }
  const Quantized x = operand("x", spec.x.operand, inputs, spec.all_tokens(), spec.hidden, where);
  gather_quantized(x, spec.x.operand.scheme, row_to_slot, spec.rows(), spec.topk, tensors, where);
}

/** The normal layout's: where each rank's rows end, and what it sees of their slots. */
void add_local(const DispatchSpec& spec, const Routes& routes, const u32* weights, const Buffer& row_to_slot, const Buffer& offsets, Tensors& tensors,
               const std::string& where) {
  const i64 rows = spec.rows();
  const Buffer on_device = upload_words(weights, routes.slots(), where), experts(4 * rows * spec.topk, where), values(4 * rows * spec.topk, where);
  launch_local_slots(routes, on_device.as<u32>(), row_to_slot.as<u32>(), rows, experts.as<u32>(), values.as<u32>(), nullptr, where);
  finish(where);
  tensors.emplace("offsets", download(offsets, DType::I32, {spec.ranks + 1}, where));
  tensors.emplace("recv_idx", download(experts, DType::I32, {rows, spec.topk}, where));
  tensors.emplace("recv_weights", download(values, DType::F32, {rows, spec.topk}, where));
}

/** The low-latency layout's: how many slots every rank has for every expert, and where they begin. */
void add_source_layout(const DispatchSpec& spec, const Routes& routes, Tensors& tensors, const std::string& where) {
  const Buffer count = zero_words(spec.ranks * spec.experts, where), begin(4 * spec.ranks * spec.experts, where);
  launch_source_layout(routes, count.as<u32>(), begin.as<u32>(), nullptr, where);
  finish(where);
  tensors.emplace("layout_count", download(count, DType::I32, {spec.ranks, spec.experts}, where));
  tensors.emplace("layout_begin", download(begin, DType::I32, {spec.ranks, spec.experts}, where));
}

}  // namespace

Tensors compute(const DispatchSpec& spec, const Tensors& inputs, const std::string& where) {
  const std::vector<i64> shape{spec.all_tokens(), spec.topk};
  const u32* chosen = require_indices("topk_idx", inputs, shape, spec.experts);
  const u32* weights = require_f32("topk_weights", inputs, shape);
  host::require_routing(spec, chosen);
  const i64 slots = spec.all_tokens() * spec.topk, rows = spec.rows(), places = spec.low_latency ? spec.experts : spec.ranks;
  const Buffer topk_idx = upload_words(chosen, slots, where), targets(4 * slots, where);
  const Buffer bases(4 * slot_blocks(slots) * places, where), order(4 * slots, where), counts(4 * places, where), offsets(4 * (places + 1), where);
  const Buffer row_to_slot(4 * rows, where), slot_to_row(4 * slots, where), source(8 * rows, where);
  const Routes routes = routes_of(spec, topk_idx);
  if (!spec.low_latency) launch_first_slots(routes, targets.as<u32>(), nullptr, where);
  launch_place({(spec.low_latency ? topk_idx : targets).as<u32>(), slots, places, 1, spec.low_latency ? spec.all_tokens() : 0, rows, bases.as<u32>(), order.as<u32>(),
                counts.as<u32>(), offsets.as<u32>(), row_to_slot.as<u32>(), slot_to_row.as<u32>()},
               nullptr, where);
  if (!spec.low_latency) launch_share_rows(routes, slot_to_row.as<u32>(), nullptr, where);
  launch_sources(routes, row_to_slot.as<u32>(), rows, source.as<u32>(), nullptr, where);
  finish(where);
  row_to_slot.require_guard(where);
  Tensors tensors;
  tensors.emplace("counts", download(counts, DType::I32, {places}, where));
  tensors.emplace("source", download(source, DType::I32, {rows, 2}, where));
  tensors.emplace("slot_to_row", download(slot_to_row, DType::I32, shape, where));
  add_traffic(routes, nullptr, spec.low_latency ? Way::slot : Way::node, false, host::message_bytes(spec, inputs), tensors, where);
  if (spec.low_latency) {
    add_source_layout(spec, routes, tensors, where);
  } else {
    add_local(spec, routes, weights, row_to_slot, offsets, tensors, where);
  }
  add_rows(spec, inputs, row_to_slot, tensors, where);
  return tensors;
}

Tensors compute(const CombineSpec& spec, const Tensors& inputs, const std::string& where) {
  const std::vector<i64> shape{spec.all_tokens(), spec.topk};
  const i64 slots = spec.all_tokens() * spec.topk;
  const Tensor& x = require_tensor(inputs, "x");
  require_shape("x", x, {spec.rows, spec.hidden});
  std::vector<u32> rows = require_rows("slot_to_row", inputs, shape, spec.rows);
  const u32* chosen = require_indices("topk_idx", inputs, shape, spec.experts);
  for (std::size_t slot = 0; slot < rows.size(); slot++) rows[slot] = chosen[slot] < spec.experts ? rows[slot] : nowhere;
  const Matrix matrix = upload_matrix(x, where);
  const Buffer slot_to_row = upload_words(rows.data(), slots, where), topk_idx = upload_words(chosen, slots, where);
  Buffer weights;
  if (spec.topk_weights.has_value() || inputs.count("topk_weights") != 0) weights = upload_words(require_f32("topk_weights", inputs, shape), slots, where);
  const Routes routes = routes_of(spec, topk_idx);
  const bool levels = spec.reduce != CombineSpec::Reduce::none, by_node = spec.reduce == CombineSpec::Reduce::node;
  const Buffer out(2 * spec.all_tokens() * spec.hidden, where);
  if (levels) {
    launch_combine({routes, matrix.view, slot_to_row.as<u32>(), weights.as<u32>(), by_node, out.as<u16>()}, nullptr, where);
  } else {
    launch_sum_slots({matrix.view, slot_to_row.as<u32>(), weights.as<u32>(), spec.all_tokens(), spec.topk, FormatId::bf16, out.as()}, nullptr, where);
  }
  finish(where);
  Tensors tensors;
  tensors.emplace("x", download(out, DType::BF16, {spec.all_tokens(), spec.hidden}, where));
  add_traffic(routes, slot_to_row.as<u32>(), by_node ? Way::node : levels ? Way::rank : Way::slot, true, 2 * spec.hidden, tensors, where);
  return tensors;
}

}  // namespace fp8lab::cuda

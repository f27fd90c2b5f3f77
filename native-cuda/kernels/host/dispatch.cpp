#include "dispatch.h"

#include <algorithm>
#include <set>

#include "../../errors.h"
#include "../placement.h"
#include "../tiles.h"
#include "parallel.h"
#include "permute.h"

namespace fp8lab::host {

namespace {

bool is_expert(const Topology& system, u32 expert) { return expert < static_cast<u64>(system.experts); }

/** The first slot of a slot's token whose expert is on the same rank: the one that the token travels for. */
i64 first_of_rank(const Topology& system, const u32* topk_idx, i64 slot) {
  i64 first = slot / system.topk * system.topk;
  while (!is_expert(system, topk_idx[first]) || system.rank_of(topk_idx[first]) != system.rank_of(topk_idx[slot])) first++;
  return first;
}

/** Rows of ranks one behind the other; slots of one rank share their token's row. */
Placement place_ranks(const DispatchSpec& spec, const u32* topk_idx) {
  std::vector<u32> targets(static_cast<std::size_t>(spec.all_tokens() * spec.topk), nowhere);
  for (std::size_t slot = 0; slot < targets.size(); slot++) {
    const auto at = static_cast<i64>(slot);
    if (is_expert(spec, topk_idx[slot]) && first_of_rank(spec, topk_idx, at) == at) targets[slot] = static_cast<u32>(spec.rank_of(topk_idx[slot]));
  }
  Placement placement = place_slots(targets.data(), spec.all_tokens(), spec.ranks, spec.topk, 1);
  placement.row_to_slot.resize(static_cast<std::size_t>(spec.rows()));
  for (std::size_t slot = 0; slot < targets.size(); slot++) {
    if (!is_expert(spec, topk_idx[slot])) continue;
    placement.slot_to_row[slot] = placement.slot_to_row[static_cast<std::size_t>(first_of_rank(spec, topk_idx, static_cast<i64>(slot)))];
  }
  return placement;
}

std::vector<u32> sources_of(const Topology& system, const std::vector<u32>& row_to_slot) {
  std::vector<u32> source(2 * row_to_slot.size(), nowhere);
  for (std::size_t row = 0; row < row_to_slot.size(); row++) {
    if (row_to_slot[row] == nowhere) continue;
    const i64 token = row_to_slot[row] / system.topk;
    source[2 * row] = static_cast<u32>(token / system.tokens);
    source[2 * row + 1] = static_cast<u32>(token % system.tokens);
  }
  return source;
}

/** What a rank sees of its rows' slots. */
void add_local_slots(const DispatchSpec& spec, const u32* topk_idx, const u32* weights, const Placement& placement, Tensors& tensors) {
  const std::size_t rows = placement.row_to_slot.size(), topk = static_cast<std::size_t>(spec.topk);
  std::vector<u32> experts(rows * topk, nowhere), values(rows * topk, 0);
  for (std::size_t row = 0; row < rows; row++) {
    const u32 slot = placement.row_to_slot[row];
    if (slot == nowhere) continue;
    const i64 rank = spec.rank_of(topk_idx[slot]);
    const std::size_t first = slot / topk * topk;
    for (std::size_t k = 0; k < topk; k++) {
      const u32 expert = topk_idx[first + k];
      if (!is_expert(spec, expert) || spec.rank_of(expert) != rank) continue;
      experts[row * topk + k] = expert - static_cast<u32>(rank * (spec.experts / spec.ranks));
      values[row * topk + k] = weights[first + k];
    }
  }
  const std::vector<i64> shape{static_cast<i64>(rows), spec.topk};
  tensors.emplace("recv_idx", integer_tensor(experts, shape));
  tensors.emplace("recv_weights", integer_tensor(values, shape)).first->second.dtype = DType::F32;
}

void add_source_layout(const DispatchSpec& spec, const u32* topk_idx, Tensors& tensors) {
  const auto experts = static_cast<std::size_t>(spec.experts);
  std::vector<u32> count(static_cast<std::size_t>(spec.ranks) * experts), begin(count.size());
  for (i64 slot = 0; slot < spec.all_tokens() * spec.topk; slot++) {
    if (is_expert(spec, topk_idx[slot])) count[static_cast<std::size_t>(slot / (spec.tokens * spec.topk)) * experts + topk_idx[slot]]++;
  }
  for (std::size_t i = experts; i < count.size(); i++) begin[i] = begin[i - experts] + count[i - experts];
  tensors.emplace("layout_count", integer_tensor(count, {spec.ranks, spec.experts}));
  tensors.emplace("layout_begin", integer_tensor(begin, {spec.ranks, spec.experts}));
}

/** How a token travels: each slot straight to its rank, once a rank straight, or once a node over IB and on over NVLink. */
enum class Way : u8 { slot, rank, node };

/** Bytes over IB and NVLink. `rank_of_slot` gives a slot's rank, negative for none; on the way back every link is taken the other way. */
template <class RankOfSlot>
void add_traffic(const Topology& system, Way way, bool back, i64 message, const RankOfSlot& rank_of_slot, Tensors& tensors) {
  const i64 nodes = system.ranks / system.gpus_per_node;
  std::vector<u32> ib(static_cast<std::size_t>(nodes * nodes)), nvlink(static_cast<std::size_t>(system.ranks * system.ranks));
  const auto send = [&](std::vector<u32>& links, i64 extent, i64 from, i64 to) {
    links[static_cast<std::size_t>(back ? to * extent + from : from * extent + to)] += static_cast<u32>(message);
  };
  for (i64 token = 0; token < system.all_tokens(); token++) {
    const i64 source = token / system.tokens, home = system.node_of(source);
    std::set<i64> seen_ranks, seen_nodes;
    for (i64 slot = token * system.topk; slot < (token + 1) * system.topk; slot++) {
      const i64 rank = rank_of_slot(slot);
      if (rank < 0 || (!seen_ranks.insert(rank).second && way != Way::slot)) continue;
      const i64 node = system.node_of(rank);
      const bool first = seen_nodes.insert(node).second;
      if (node != home && (first || way != Way::node)) send(ib, nodes, home, node);
      const i64 sender = node != home && way == Way::node ? node * system.gpus_per_node + source % system.gpus_per_node : source;
      if (system.node_of(sender) == node && sender != rank) send(nvlink, system.ranks, sender, rank);
    }
  }
  tensors.emplace("ib_bytes", integer_tensor(ib, {nodes, nodes}));
  tensors.emplace("nvlink_bytes", integer_tensor(nvlink, {system.ranks, system.ranks}));
}

u32 to_bf16(float sum) {
  return decode(encode(canonical_bits(sum), format_of(FormatId::bf16), Rounding::nearest_even, Overflow::ieee), format_of(FormatId::bf16));
}

/** A slot with a row, and the rank it is on. */
struct RankedSlot {
  i64 rank;
  i64 slot;
};

/** Slots of a token that take part, by rank, then slot. */
std::vector<RankedSlot> ranked_slots(const CombineSpec& spec, const u32* slot_to_row, const u32* topk_idx, i64 token) {
  std::vector<RankedSlot> slots;
  for (i64 slot = token * spec.topk; slot < (token + 1) * spec.topk; slot++) {
    if (slot_to_row[slot] != nowhere && is_expert(spec, topk_idx[slot])) slots.push_back({spec.rank_of(topk_idx[slot]), slot});
  }
  std::stable_sort(slots.begin(), slots.end(), [](const RankedSlot& a, const RankedSlot& b) { return a.rank < b.rank; });
  return slots;
}

/** The sum of one element over the levels; `value` gives the f32 of a slot's row. */
template <class Value>
u32 sum_levels(const CombineSpec& spec, const std::vector<RankedSlot>& slots, const u32* weights, const Value& value) {
  float total = 0, node_sum = 0;
  for (std::size_t i = 0; i < slots.size();) {
    const i64 rank = slots[i].rank;
    float sum = 0;
    for (; i < slots.size() && slots[i].rank == rank; i++) {
      const float x = value(slots[i].slot);
      sum = weights == nullptr ? add_rn(x, sum) : fma_rn(x, bits_float(weights[slots[i].slot]), sum);
    }
    const float partial = bits_float(to_bf16(sum));
    if (spec.reduce == CombineSpec::Reduce::local) {
      total = add_rn(total, partial);
      continue;
    }
    node_sum = add_rn(node_sum, partial);
    if (i < slots.size() && spec.node_of(slots[i].rank) == spec.node_of(rank)) continue;
    total = add_rn(total, bits_float(to_bf16(node_sum)));
    node_sum = 0;
  }
  return canonical_bits(total);
}

/** Tokens that name an expert twice could fill its block past its end. */
void require_room(const DispatchSpec& spec, const u32* topk_idx) {
  std::vector<i64> counts(static_cast<std::size_t>(spec.experts));
  for (i64 slot = 0; slot < spec.all_tokens() * spec.topk; slot++) {
    if (is_expert(spec, topk_idx[slot])) counts[topk_idx[slot]]++;
  }
  for (std::size_t expert = 0; expert < counts.size(); expert++) {
    if (counts[expert] <= spec.all_tokens()) continue;
    throw input_error("too-many-slots",
                      "expert " + std::to_string(expert) + " has " + std::to_string(counts[expert]) + " slots, and its block has " +
                          std::to_string(spec.all_tokens()) + " rows",
                      "topk_idx", "name an expert once a token");
  }
}

}  // namespace

void require_routing(const DispatchSpec& spec, const u32* topk_idx) {
  for (i64 token = 0; token < spec.all_tokens(); token++) {
    std::set<i64> nodes;
    for (i64 slot = token * spec.topk; slot < (token + 1) * spec.topk; slot++) {
      if (is_expert(spec, topk_idx[slot])) nodes.insert(spec.node_of(spec.rank_of(topk_idx[slot])));
    }
    if (static_cast<i64>(nodes.size()) <= spec.node_limit) continue;
    throw input_error("too-many-nodes",
                      "token " + std::to_string(token) + " goes to " + std::to_string(nodes.size()) + " nodes, and at most " +
                          std::to_string(spec.node_limit) + " are allowed",
                      "topk_idx, token " + std::to_string(token), "choose experts of fewer nodes, or raise nodeLimit");
  }
  if (spec.low_latency) require_room(spec, topk_idx);
}

i64 message_bytes(const DispatchSpec& spec, const Tensors& inputs) {
  const i64 head = spec.low_latency ? 16 : 8 * spec.topk;
  if (!spec.x.quantized) return head + spec.hidden * info_of(require_tensor(inputs, "x").dtype).bits / 8;
  const Scheme& scheme = spec.x.operand.scheme;
  const i64 scales = tile_grid(1, spec.hidden, scheme).columns * (format_of(scheme.scale_type).bits / 8);
  return head + (spec.hidden * format_of(scheme.format).bits + 7) / 8 + scales;
}

Tensors compute(const DispatchSpec& spec, const Tensors& inputs, int threads) {
  const std::vector<i64> slots{spec.all_tokens(), spec.topk};
  const u32* topk_idx = require_indices("topk_idx", inputs, slots, spec.experts);
  const u32* weights = require_f32("topk_weights", inputs, slots);
  require_routing(spec, topk_idx);
  const Placement placement = spec.low_latency ? place_slots(topk_idx, spec.all_tokens(), spec.experts, spec.topk, 1, spec.all_tokens())
                                               : place_ranks(spec, topk_idx);
  Tensors tensors;
  tensors.emplace("counts", integer_tensor(placement.counts, {static_cast<i64>(placement.counts.size())}));
  tensors.emplace("source", integer_tensor(sources_of(spec, placement.row_to_slot), {spec.rows(), 2}));
  tensors.emplace("slot_to_row", integer_tensor(placement.slot_to_row, slots));
  add_traffic(
      spec, spec.low_latency ? Way::slot : Way::node, false, message_bytes(spec, inputs),
      [&](i64 slot) { return is_expert(spec, topk_idx[slot]) ? spec.rank_of(topk_idx[slot]) : -1; }, tensors);
  if (spec.low_latency) {
    add_source_layout(spec, topk_idx, tensors);
  } else {
    tensors.emplace("offsets", integer_tensor(placement.offsets, {spec.ranks + 1}));
    add_local_slots(spec, topk_idx, weights, placement, tensors);
  }
  if (!spec.x.quantized) {
    const Tensor& x = require_tensor(inputs, "x");
    require_shape("x", x, {spec.all_tokens(), spec.hidden});
    Tensor moved = allocate_result(x.dtype, {spec.rows(), spec.hidden});
    gather_rows(x.lanes.data(), spec.hidden * x.lanes.width(), placement.row_to_slot, spec.topk, moved.lanes.data(), threads);
    tensors.emplace("x", std::move(moved));
    return tensors;
  }
  const Quantized x = quantized_operand("x", spec.x.operand, inputs, spec.all_tokens(), spec.hidden, threads);
  Quantized moved = move_quantized(x, spec.x.operand.scheme, placement.row_to_slot, spec.topk, threads);
  tensors.emplace("codes", take(moved.codes));
  tensors.emplace("scales", take(moved.scales));
  if (moved.tensor_scale) tensors.emplace("tensor_scale", integer_tensor({moved.tensor_scale->lanes.get(0)}, {1})).first->second.dtype = DType::F32;
  return tensors;
}

Tensors compute(const CombineSpec& spec, const Tensors& inputs, int threads) {
  const std::vector<i64> slots{spec.all_tokens(), spec.topk};
  const Tensor& x = require_tensor(inputs, "x");
  require_shape("x", x, {spec.rows, spec.hidden});
  const std::vector<u32> rows = require_rows("slot_to_row", inputs, slots, spec.rows);
  const u32* topk_idx = require_indices("topk_idx", inputs, slots, spec.experts);
  const bool weighted = spec.topk_weights.has_value() || inputs.count("topk_weights") != 0;
  const u32* weights = weighted ? require_f32("topk_weights", inputs, slots) : nullptr;
  Tensors tensors;
  const Way way = spec.reduce == CombineSpec::Reduce::none ? Way::slot : spec.reduce == CombineSpec::Reduce::local ? Way::rank : Way::node;
  add_traffic(
      spec, way, true, 2 * spec.hidden,
      [&](i64 slot) { return rows[slot] != nowhere && is_expert(spec, topk_idx[slot]) ? spec.rank_of(topk_idx[slot]) : -1; }, tensors);
  if (spec.reduce == CombineSpec::Reduce::none) {
    std::vector<u32> used = rows;
    for (std::size_t slot = 0; slot < used.size(); slot++) {
      if (!is_expert(spec, topk_idx[slot])) used[slot] = nowhere;
    }
    tensors.emplace("x", sum_slots(x, used.data(), weights, spec.all_tokens(), spec.topk, FormatId::bf16, threads));
    return tensors;
  }
  const RowSource source = widened(x);
  Tensor result = allocate_result(DType::BF16, {spec.all_tokens(), spec.hidden});
  parallel_for(threads, spec.all_tokens(), [&](i64 token) {
    const std::vector<RankedSlot> own = ranked_slots(spec, rows.data(), topk_idx, token);
    std::vector<std::vector<u32>> values(static_cast<std::size_t>(spec.topk), std::vector<u32>(static_cast<std::size_t>(spec.hidden)));
    for (const RankedSlot& it : own) source(rows[it.slot], 0, spec.hidden, values[static_cast<std::size_t>(it.slot % spec.topk)].data());
    std::vector<u32> sums(static_cast<std::size_t>(spec.hidden));
    for (std::size_t column = 0; column < sums.size(); column++) {
      sums[column] = sum_levels(spec, own, weights,
                                [&](i64 slot) { return bits_float(values[static_cast<std::size_t>(slot % spec.topk)][column]); });
    }
    narrow(sums.data(), spec.hidden, FormatId::bf16, result.lanes, token * spec.hidden);
  });
  tensors.emplace("x", std::move(result));
  return tensors;
}

i64 bytes_made(const DispatchSpec& spec) {
  const i64 width = spec.x.quantized ? lane_bytes(dtype_of(spec.x.operand.scheme.format)) : 4;
  return (spec.rows() + spec.all_tokens()) * spec.hidden * width + spec.rows() * (16 + 8 * spec.topk);
}

i64 bytes_made(const CombineSpec& spec) { return 2 * spec.all_tokens() * spec.hidden; }

}  // namespace fp8lab::host

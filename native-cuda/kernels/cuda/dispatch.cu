// Tokens to the ranks of their experts and back: what the ranks would agree on, for all of them at once. Any format, one pass each.

#include "../../numerics/generate_integers.h"
#include "dispatch.h"
#include "lanes.cuh"
#include "launch.h"

namespace fp8lab::cuda {

namespace {

__device__ i64 thread_index() { return static_cast<i64>(blockIdx.x) * blockDim.x + threadIdx.x; }

/** A slot's rank, or -1. */
__device__ i64 rank_of(const Routes& routes, i64 slot) {
  const u32 expert = routes.topk_idx[slot];
  return expert < static_cast<u64>(routes.experts) ? expert / (routes.experts / routes.ranks) : -1;
}

/** The first slot of a slot's token on the same rank. */
__device__ i64 first_of_rank(const Routes& routes, i64 slot, i64 rank) {
  i64 first = slot / routes.topk * routes.topk;
  while (rank_of(routes, first) != rank) first++;
  return first;
}

__global__ void first_slots(Routes routes, i64 slots, u32* targets) {
  const i64 slot = thread_index();
  if (slot >= slots) return;
  const i64 rank = rank_of(routes, slot);
  targets[slot] = rank >= 0 && first_of_rank(routes, slot, rank) == slot ? static_cast<u32>(rank) : nowhere;
}

__global__ void share_rows(Routes routes, i64 slots, u32* slot_to_row) {
  const i64 slot = thread_index();
  if (slot >= slots) return;
  const i64 rank = rank_of(routes, slot);
  if (rank < 0) return;
  const i64 first = first_of_rank(routes, slot, rank);
  if (first != slot) slot_to_row[slot] = slot_to_row[first];
}

__global__ void sources(Routes routes, const u32* row_to_slot, i64 rows, u32* source) {
  const i64 row = thread_index();
  if (row >= rows) return;
  const u32 slot = row_to_slot[row];
  const i64 token = slot / routes.topk, of_rank = routes.tokens / routes.ranks;
  source[2 * row] = slot == nowhere ? nowhere : static_cast<u32>(token / of_rank);
  source[2 * row + 1] = slot == nowhere ? nowhere : static_cast<u32>(token % of_rank);
}

__global__ void local_slots(Routes routes, const u32* weights, const u32* row_to_slot, i64 rows, u32* experts, u32* values) {
  const i64 index = thread_index();
  if (index >= rows * routes.topk) return;
  const u32 of_row = row_to_slot[index / routes.topk];
  u32 expert = nowhere, value = 0;
  if (of_row != nowhere) {
    const i64 rank = rank_of(routes, of_row), slot = of_row / routes.topk * routes.topk + index % routes.topk;
    if (rank_of(routes, slot) == rank) {
      expert = routes.topk_idx[slot] - static_cast<u32>(rank * (routes.experts / routes.ranks));
      value = weights[slot];
    }
  }
  experts[index] = expert;
  values[index] = value;
}

__global__ void count_sources(Routes routes, i64 slots, u32* count) {
  const i64 slot = thread_index();
  if (slot >= slots || rank_of(routes, slot) < 0) return;
  atomicAdd(count + slot / (slots / routes.ranks) * routes.experts + routes.topk_idx[slot], 1u);
}

/** A thread an expert: its counts of ranks become sums of the ranks before. */
__global__ void begin_sources(Routes routes, const u32* count, u32* begin) {
  const i64 expert = thread_index();
  if (expert >= routes.experts) return;
  u32 sum = 0;
  for (i64 i = expert; i < routes.ranks * routes.experts; i += routes.experts) {
    begin[i] = sum;
    sum += count[i];
  }
}

/** The rank that a slot's row is on; -1 where it has none. */
__device__ i64 rank_with_row(const Routes& routes, const u32* slot_to_row, i64 slot) {
  return slot_to_row != nullptr && slot_to_row[slot] == nowhere ? -1 : rank_of(routes, slot);
}

/** A thread a token. */
__global__ void count_traffic(TrafficLaunch traffic) {
  const Routes& routes = traffic.routes;
  const i64 token = thread_index();
  if (token >= routes.tokens) return;
  const i64 nodes = routes.ranks / routes.gpus_per_node;
  const i64 source = token / (routes.tokens / routes.ranks), home = source / routes.gpus_per_node, begin = token * routes.topk;
  const auto send = [&](u32* links, i64 extent, i64 from, i64 to) { atomicAdd(links + (traffic.back ? to * extent + from : from * extent + to), traffic.message); };
  for (i64 slot = begin; slot < begin + routes.topk; slot++) {
    const i64 rank = rank_with_row(routes, traffic.slot_to_row, slot), node = rank / routes.gpus_per_node;
    if (rank < 0) continue;
    bool seen_rank = false, seen_node = false;
    for (i64 other = begin; other < slot; other++) {
      const i64 earlier = rank_with_row(routes, traffic.slot_to_row, other);
      seen_rank = seen_rank || earlier == rank;
      seen_node = seen_node || (earlier >= 0 && earlier / routes.gpus_per_node == node);
    }
    if (seen_rank && traffic.way != Way::slot) continue;
    if (node != home && (!seen_node || traffic.way != Way::node)) send(traffic.ib, nodes, home, node);
    const i64 sender = node != home && traffic.way == Way::node ? node * routes.gpus_per_node + source % routes.gpus_per_node : source;
    if (sender / routes.gpus_per_node == node && sender != rank) send(traffic.nvlink, routes.ranks, sender, rank);
  }
}

__device__ u32 to_bf16(float sum) { return encode(canonical_bits(sum), format_of(FormatId::bf16), Rounding::nearest_even, Overflow::ieee); }

/** A thread an element: ranks in ascending order, slots of each in theirs. */
__global__ void sum_levels(CombineLaunch combine) {
  const Routes& routes = combine.routes;
  const i64 index = thread_index(), hidden = combine.x.columns;
  if (index >= routes.tokens * hidden) return;
  const i64 begin = index / hidden * routes.topk, column = index % hidden;
  const Format format = format_of(combine.x.format);
  // The least rank above `after` that has one of the token's rows; `ranks` where none has.
  const auto next_rank = [&](i64 after) {
    i64 least_rank = routes.ranks;
    for (i64 slot = begin; slot < begin + routes.topk; slot++) {
      const i64 rank = rank_with_row(routes, combine.slot_to_row, slot);
      if (rank > after) least_rank = least(least_rank, rank);
    }
    return least_rank;
  };
  float total = 0, node_sum = 0;
  for (i64 rank = next_rank(-1); rank < routes.ranks;) {
    float sum = 0;
    for (i64 slot = begin; slot < begin + routes.topk; slot++) {
      if (rank_with_row(routes, combine.slot_to_row, slot) != rank) continue;
      const float value = bits_float(value_at(combine.x, format, combine.slot_to_row[slot] * hidden + column));
      sum = combine.weights == nullptr ? add_rn(value, sum) : fma_rn(value, bits_float(combine.weights[slot]), sum);
    }
    const float partial = bits_float(to_bf16(sum) << 16);
    const i64 next = next_rank(rank);
    if (combine.by_node) {
      node_sum = add_rn(node_sum, partial);
      if (next == routes.ranks || next / routes.gpus_per_node != rank / routes.gpus_per_node) {
        total = add_rn(total, bits_float(to_bf16(node_sum) << 16));
        node_sum = 0;
      }
    } else {
      total = add_rn(total, partial);
    }
    rank = next;
  }
  combine.out[index] = static_cast<u16>(to_bf16(total));
}

}  // namespace

void launch_first_slots(const Routes& routes, u32* targets, cudaStream_t stream, const std::string& where) {
  launch("first_slots", first_slots, {blocks_of(routes.slots()), threads}, stream, where, routes, routes.slots(), targets);
}

void launch_share_rows(const Routes& routes, u32* slot_to_row, cudaStream_t stream, const std::string& where) {
  launch("share_rows", share_rows, {blocks_of(routes.slots()), threads}, stream, where, routes, routes.slots(), slot_to_row);
}

void launch_sources(const Routes& routes, const u32* row_to_slot, i64 rows, u32* source, cudaStream_t stream, const std::string& where) {
  launch("sources", sources, {blocks_of(rows), threads}, stream, where, routes, row_to_slot, rows, source);
}

void launch_local_slots(const Routes& routes, const u32* weights, const u32* row_to_slot, i64 rows, u32* experts, u32* values, cudaStream_t stream, const std::string& where) {
  launch("local_slots", local_slots, {blocks_of(rows * routes.topk), threads}, stream, where, routes, weights, row_to_slot, rows, experts, values);
}

void launch_source_layout(const Routes& routes, u32* count, u32* begin, cudaStream_t stream, const std::string& where) {
  launch("count_sources", count_sources, {blocks_of(routes.slots()), threads}, stream, where, routes, routes.slots(), count);
  launch("begin_sources", begin_sources, {blocks_of(routes.experts), threads}, stream, where, routes, count, begin);
}

void launch_traffic(const TrafficLaunch& traffic, cudaStream_t stream, const std::string& where) {
  launch("count_traffic", count_traffic, {blocks_of(traffic.routes.tokens), threads}, stream, where, traffic);
}

void launch_combine(const CombineLaunch& combine, cudaStream_t stream, const std::string& where) {
  launch("sum_levels", sum_levels, {blocks_of(combine.routes.tokens * combine.x.columns), threads}, stream, where, combine);
}

}  // namespace fp8lab::cuda

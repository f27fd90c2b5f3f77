// Rows to their experts and back: any format, one pass each.

#include "../../numerics/generate_integers.h"
#include "lanes.cuh"
#include "launch.h"
#include "moe.h"

namespace fp8lab::cuda {

namespace {

/** Slots that a warp counts one group of 32 after the other. */
constexpr i64 block_slots = 1024;

/** A warp a block: lanes with the same expert find their order by the mask of those below them. The block's counts are the warp's own. */
__global__ void count_blocks(const u32* topk_idx, i64 slots, i64 experts, u32* bases, u32* ranks) {
  const i64 block = (static_cast<i64>(blockIdx.x) * blockDim.x + threadIdx.x) / 32;
  const u32 lane = threadIdx.x % 32;
  const i64 first = block * block_slots;
  if (first >= slots) return;
  u32* counts = bases + block * experts;
  for (i64 expert = lane; expert < experts; expert += 32) counts[expert] = 0;
  __syncwarp();
  const i64 last = least(first + block_slots, slots);
  for (i64 start = first; start < last; start += 32) {
    const i64 slot = start + lane;
    const u32 expert = slot < last ? topk_idx[slot] : nowhere;
    const bool chosen = expert < static_cast<u64>(experts);
    const u32 same = __match_any_sync(0xffffffff, chosen ? expert : nowhere);
    const u32 below = __popc(same & ((1u << lane) - 1));
    const u32 before = chosen ? counts[expert] : 0;
    __syncwarp();
    if (chosen) {
      ranks[slot] = before + below;
      if (below == 0) counts[expert] = before + __popc(same);
    }
    __syncwarp();
  }
}

/** A thread an expert: counts of blocks become sums of the blocks before. */
__global__ void sum_blocks(i64 blocks, i64 experts, u32* bases, u32* counts) {
  const i64 expert = static_cast<i64>(blockIdx.x) * blockDim.x + threadIdx.x;
  if (expert >= experts) return;
  u32 sum = 0;
  for (i64 block = 0; block < blocks; block++) {
    const u32 count = bases[block * experts + expert];
    bases[block * experts + expert] = sum;
    sum += count;
  }
  counts[expert] = sum;
}

/** One warp: prefix sums of the aligned counts, 32 experts at a time. */
__global__ void sum_experts(i64 experts, u32 alignment, u32 stride, const u32* counts, u32* offsets) {
  u32 start = 0;
  for (i64 first = 0; first < experts; first += 32) {
    const i64 expert = first + threadIdx.x;
    const u32 own = expert >= experts ? 0 : stride > 0 ? stride : (counts[expert] + alignment - 1) / alignment * alignment;
    u32 sum = own;
#pragma unroll
    for (u32 step = 1; step < 32; step *= 2) {
      const u32 other = __shfl_up_sync(0xffffffff, sum, step);
      if (threadIdx.x >= step) sum += other;
    }
    if (expert < experts) offsets[expert] = start + sum - own;
    start += __shfl_sync(0xffffffff, sum, 31);
  }
  if (threadIdx.x == 0) offsets[experts] = start;
}

__global__ void fill_rows(u32* row_to_slot, i64 rows) {
  const i64 row = static_cast<i64>(blockIdx.x) * blockDim.x + threadIdx.x;
  if (row < rows) row_to_slot[row] = nowhere;
}

__global__ void find_rows(const u32* topk_idx, i64 slots, i64 experts, const u32* bases, const u32* ranks, const u32* offsets, u32* row_to_slot, u32* slot_to_row) {
  const i64 slot = static_cast<i64>(blockIdx.x) * blockDim.x + threadIdx.x;
  if (slot >= slots) return;
  const u32 expert = topk_idx[slot];
  if (expert >= static_cast<u64>(experts)) {
    slot_to_row[slot] = nowhere;
    return;
  }
  const u32 row = offsets[expert] + bases[slot / block_slots * experts + expert] + ranks[slot];
  slot_to_row[slot] = row;
  row_to_slot[row] = static_cast<u32>(slot);
}

/** A block a row; `Word` is the widest that rows are multiples of. */
template <class Word>
__global__ void gather_rows(const Word* source, Word* target, const u32* row_to_slot, i64 width, u32 topk) {
  const i64 row = blockIdx.x;
  const u32 slot = row_to_slot[row];
  const Word* from = source + static_cast<i64>(slot / topk) * width;
  for (i64 i = threadIdx.x; i < width; i += blockDim.x) target[row * width + i] = slot == nowhere ? Word{} : from[i];
}

__global__ void sum_slots(SumLaunch sum) {
  const i64 index = static_cast<i64>(blockIdx.x) * blockDim.x + threadIdx.x;
  const i64 hidden = sum.x.columns;
  if (index >= sum.tokens * hidden) return;
  const i64 token = index / hidden, column = index % hidden;
  const Format format = format_of(sum.x.format);
  float acc = 0;
  for (i64 slot = token * sum.topk; slot < (token + 1) * sum.topk; slot++) {
    const u32 row = sum.slot_to_row[slot];
    if (row == nowhere) continue;
    const float value = bits_float(value_at(sum.x, format, row * hidden + column));
    acc = sum.weights == nullptr ? add_rn(value, acc) : fma_rn(value, bits_float(sum.weights[slot]), acc);
  }
  const u32 bits = canonical_bits(acc);
  if (sum.output == FormatId::f32) {
    static_cast<u32*>(sum.out)[index] = bits;
  } else {
    static_cast<u16*>(sum.out)[index] = static_cast<u16>(encode(bits, format_of(sum.output), Rounding::nearest_even, Overflow::ieee));
  }
}

}  // namespace

i64 slot_blocks(i64 slots) { return (slots + block_slots - 1) / block_slots; }

void launch_place(const PlaceLaunch& place, cudaStream_t stream, const std::string& where) {
  const i64 blocks = slot_blocks(place.slots);
  launch("count_blocks", count_blocks, {blocks_of(32 * blocks), threads}, stream, where, place.topk_idx, place.slots, place.experts, place.bases, place.ranks);
  launch("sum_blocks", sum_blocks, {blocks_of(place.experts), threads}, stream, where, blocks, place.experts, place.bases, place.counts);
  launch("sum_experts", sum_experts, {1, 32}, stream, where, place.experts, static_cast<u32>(place.alignment), static_cast<u32>(place.stride), place.counts, place.offsets);
  launch("fill_rows", fill_rows, {blocks_of(place.rows), threads}, stream, where, place.row_to_slot, place.rows);
  launch("find_rows", find_rows, {blocks_of(place.slots), threads}, stream, where, place.topk_idx, place.slots, place.experts, place.bases, place.ranks,
         place.offsets, place.row_to_slot, place.slot_to_row);
}

void launch_gather(const void* source, void* target, const u32* row_to_slot, i64 rows, i64 row_bytes, i64 topk, cudaStream_t stream, const std::string& where) {
  const Grid grid{static_cast<unsigned>(rows), threads};
  const auto slots = static_cast<u32>(topk);
  if (row_bytes % 16 == 0) {
    launch("gather", gather_rows<uint4>, grid, stream, where, static_cast<const uint4*>(source), static_cast<uint4*>(target), row_to_slot, row_bytes / 16, slots);
  } else if (row_bytes % 4 == 0) {
    launch("gather", gather_rows<u32>, grid, stream, where, static_cast<const u32*>(source), static_cast<u32*>(target), row_to_slot, row_bytes / 4, slots);
  } else {
    launch("gather", gather_rows<u8>, grid, stream, where, static_cast<const u8*>(source), static_cast<u8*>(target), row_to_slot, row_bytes, slots);
  }
}

void launch_sum_slots(const SumLaunch& sum, cudaStream_t stream, const std::string& where) {
  launch("sum_slots", sum_slots, {blocks_of(sum.tokens * sum.x.columns), threads}, stream, where, sum);
}

}  // namespace fp8lab::cuda

// The gate, a warp a token: docs/numerics.md, "Gate". Experts lie over the lanes one after the other; what has no order (largest keys, sums of
// integers) is reduced over the warp, what has one (the sum of the weights) one lane adds.

#include "../../numerics/codec.h"
#include "../../numerics/gate.h"
#include "gate.h"
#include "launch.h"

namespace fp8lab::cuda {

namespace {

constexpr u32 all_lanes = 0xffffffffu;
constexpr int most_warps = 8;
constexpr int most_groups = 128;
/** Shared memory that several blocks of a multiprocessor can have at once. */
constexpr i64 usual_shared = 48 * 1024;

__device__ u32 lane_id() { return threadIdx.x % 32; }

__device__ u32 logit_at(const GateLaunch& gate, i64 token, u32 expert) {
  const i64 index = token * gate.experts + expert;
  const MatrixView& x = gate.logits;
  if (x.width == 4) return static_cast<const u32*>(x.lanes)[index];
  if (x.width == 2) return decode(static_cast<const u16*>(x.lanes)[index], format_of(x.format));
  return decode(static_cast<const u8*>(x.lanes)[index], format_of(x.format));
}

__device__ u64 sum_over_warp(u64 value) {
#pragma unroll
  for (int step = 16; step > 0; step /= 2) value += __shfl_xor_sync(all_lanes, value, step);
  return value;
}

/** The largest key of the warp and the least index that has it; lanes without one give the key of NaN. */
struct Best {
  u32 key;
  u32 index;
};

__device__ Best best_of_warp(Best own) {
  const u32 key = __reduce_max_sync(all_lanes, own.key);
  return {key, __reduce_min_sync(all_lanes, own.key == key ? own.index : 0xffffffffu)};
}

/** What a softmax over the logits of `count` experts needs; `expert_at(i)` names the i-th, or none. */
struct Sums {
  u32 largest;
  u32 sum;
};

template <class ExpertAt>
__device__ Sums softmax_sums(const GateLaunch& gate, i64 token, i64 count, ExpertAt expert_at) {
  u32 best = 0;
  bool defined = true;
  for (i64 i = lane_id(); i < count; i += 32) {
    const u32 expert = expert_at(i);
    if (expert == gate::no_expert) continue;
    const u32 key = gate::key_of(logit_at(gate, token, expert));
    defined = defined && key != gate::nan_key;
    best = most(best, key);
  }
  best = __reduce_max_sync(all_lanes, best);
  if (!__all_sync(all_lanes, defined)) return {nan_bits, nan_bits};
  const u32 largest = gate::bits_of_key(best);
  u64 units = 0;
  for (i64 i = lane_id(); i < count; i += 32) {
    const u32 expert = expert_at(i);
    if (expert == gate::no_expert) continue;
    const u32 exponential = gate::exponential(logit_at(gate, token, expert), largest);
    defined = defined && exponential != nan_bits;
    units += gate::softmax_units(exponential);
  }
  units = sum_over_warp(units);
  return {largest, __all_sync(all_lanes, defined) ? gate::softmax_sum(units) : nan_bits};
}

/** Keys of score + bias; false where one is NaN. */
__device__ bool rank_experts(const GateLaunch& gate, i64 token, const Sums& sums, u32* keys) {
  bool numbers = true;
  for (u32 expert = lane_id(); expert < gate.experts; expert += 32) {
    const u32 score = gate::score_of(gate.rule.score, logit_at(gate, token, expert), sums.largest, sums.sum);
    keys[expert] = gate::key_of(gate.bias == nullptr ? score : add_bits(score, gate.bias[expert]));
    numbers = numbers && keys[expert] != gate::nan_key;
  }
  __syncwarp();
  return __all_sync(all_lanes, numbers);
}

/** Gives the experts of groups that are not kept the key of NaN, which none is chosen for; false where a group's score is NaN. */
__device__ bool keep_groups(const GateLaunch& gate, u32* keys, u32* group_keys, u32& gap) {
  const u32 groups = static_cast<u32>(gate.rule.groups), kept = static_cast<u32>(gate.rule.topk_groups);
  const u32 size = static_cast<u32>(gate.experts) / groups;
  bool numbers = true;
  for (u32 group = lane_id(); group < groups; group += 32) {
    u32 first = 0, second = 0;
    for (u32 i = 0; i < size; i++) {
      // Lanes begin at different places of their groups: else all would read one bank.
      const u32 key = keys[group * size + (i + lane_id()) % size];
      second = most(second, least(first, key));
      first = most(first, key);
    }
    group_keys[group] = gate::group_key(gate.rule.group_score, first, second);
    numbers = numbers && group_keys[group] != gate::nan_key;
  }
  __syncwarp();
  if (!__all_sync(all_lanes, numbers)) return false;
  // The last that is kept and the first that is not: the only ones with `kept - 1` and `kept` better groups.
  u32 last = 0, next = 0;
  for (u32 group = lane_id(); group < groups; group += 32) {
    u32 better = 0;
    for (u32 other = 0; other < groups; other++) {
      const u32 key = group_keys[other];
      better += key > group_keys[group] || (key == group_keys[group] && other < group) ? 1 : 0;
    }
    if (better + 1 == kept) last = group_keys[group];
    if (better == kept) next = group_keys[group];
    if (better < kept) continue;
    for (u32 i = 0; i < size; i++) keys[group * size + (i + lane_id()) % size] = gate::nan_key;
  }
  gap = gate::gap_of(__reduce_max_sync(all_lanes, last), __reduce_max_sync(all_lanes, next));
  __syncwarp();
  return true;
}

/** The best expert that is left. */
__device__ Best best_expert(const GateLaunch& gate, const u32* keys) {
  Best own{gate::nan_key, 0xffffffffu};
  for (u32 expert = lane_id(); expert < gate.experts; expert += 32) {
    if (keys[expert] > own.key) own = {keys[expert], expert};
  }
  return best_of_warp(own);
}

/** topk experts, the best first, into `chosen`; the gap to the next. */
__device__ u32 choose_experts(const GateLaunch& gate, u32* keys, u32* chosen) {
  u32 last = 0;
  for (i64 slot = 0; slot < gate.rule.topk; slot++) {
    const Best best = best_expert(gate, keys);
    if (lane_id() == 0) {
      chosen[slot] = best.index;
      keys[best.index] = gate::nan_key;
    }
    last = best.key;
    __syncwarp();
  }
  const Best next = best_expert(gate, keys);
  return next.key == gate::nan_key ? inf_bits : gate::gap_of(last, next.key);
}

/** Weights of the chosen into `weights`; false where one is NaN. */
__device__ bool weigh(const GateLaunch& gate, i64 token, const Sums& scores, const u32* chosen, u32* weights) {
  const i64 topk = gate.rule.topk;
  Sums sums = scores;
  if (gate.rule.normalize == Normalize::softmax) {
    sums = softmax_sums(gate, token, topk, [chosen](i64 i) { return chosen[i]; });
  }
  for (i64 slot = lane_id(); slot < topk; slot += 32) {
    const u32 expert = chosen[slot];
    u32 share = 0;
    if (expert != gate::no_expert) {
      const u32 logit = logit_at(gate, token, expert);
      share = gate.rule.normalize == Normalize::softmax ? gate::exponential(logit, sums.largest) : gate::score_of(gate.rule.score, logit, sums.largest, sums.sum);
    }
    weights[slot] = share;
  }
  __syncwarp();
  u32 divisor = one_bits;
  if (gate.rule.normalize == Normalize::softmax) divisor = sums.sum;
  if (gate.rule.normalize == Normalize::sum) {
    if (lane_id() == 0) {
      divisor = gate::sum_start;
      for (i64 slot = 0; slot < topk; slot++) {
        if (chosen[slot] != gate::no_expert) divisor = add_bits(divisor, weights[slot]);
      }
    }
    divisor = __shfl_sync(all_lanes, divisor, 0);
  }
  bool numbers = true;
  for (i64 slot = lane_id(); slot < topk; slot += 32) {
    const u32 weight = chosen[slot] == gate::no_expert ? 0 : mul_bits(div_bits(weights[slot], divisor), gate.rule.route_scale);
    weights[slot] = weight;
    numbers = numbers && gate::key_of(weight) != gate::nan_key;
  }
  return __all_sync(all_lanes, numbers);
}

/** Shared experts, and what each expert gets; or nothing at all. */
__device__ void finish_slots(const GateLaunch& gate, bool routed, u32* chosen, u32* weights) {
  const i64 topk = gate.rule.topk, slots = topk + gate.rule.shared_experts;
  __syncwarp();
  for (i64 slot = lane_id(); slot < slots; slot += 32) {
    if (!routed) {
      chosen[slot] = gate::no_expert;
      weights[slot] = 0;
    } else if (slot >= topk) {
      chosen[slot] = static_cast<u32>(gate.experts + slot - topk);
      weights[slot] = one_bits;
    } else if (chosen[slot] != gate::no_expert) {
      atomicAdd(gate.load + chosen[slot], 1u);
    }
  }
}

__global__ void route_tokens(GateLaunch gate) {
  u32* shared = dynamic_shared<u32>();
  const i64 warps = blockDim.x / 32, warp = threadIdx.x / 32;
  const i64 token = static_cast<i64>(blockIdx.x) * warps + warp;
  if (token >= gate.tokens) return;
  u32* keys = shared + warp * (gate.experts + most_groups);
  u32* chosen = gate.topk_idx + token * (gate.rule.topk + gate.rule.shared_experts);
  u32* weights = gate.topk_weights + token * (gate.rule.topk + gate.rule.shared_experts);
  const bool masked = gate.mask != nullptr && gate.mask[token] == 0;
  u32 gap = inf_bits, group_gap = inf_bits;
  bool routed = !masked;
  if (routed) {
    Sums sums{};
    if (gate.rule.score == Score::softmax) sums = softmax_sums(gate, token, gate.experts, [](i64 i) { return static_cast<u32>(i); });
    if (gate.indices != nullptr) {
      for (i64 slot = lane_id(); slot < gate.rule.topk; slot += 32) chosen[slot] = gate.indices[token * gate.rule.topk + slot];
      __syncwarp();
    } else {
      routed = rank_experts(gate, token, sums, keys);
      if (routed && gate.rule.topk_groups < gate.rule.groups) routed = keep_groups(gate, keys, keys + gate.experts, group_gap);
      if (routed) gap = choose_experts(gate, keys, chosen);
    }
    routed = routed && weigh(gate, token, sums, chosen, weights);
  }
  finish_slots(gate, routed, chosen, weights);
  if (lane_id() != 0) return;
  const u32 nothing = masked ? inf_bits : nan_bits;
  if (gate.near_ties != nullptr) gate.near_ties[token] = routed ? gap : nothing;
  if (gate.group_gaps != nullptr) gate.group_gaps[token] = routed ? group_gap : nothing;
}

}  // namespace

void launch_gate(const GateLaunch& gate, cudaStream_t stream, const std::string& where) {
  const i64 warp_bytes = 4 * (gate.experts + most_groups);
  const i64 warps = most<i64>(1, least<i64>(most_warps, usual_shared / warp_bytes));
  const auto bytes = static_cast<unsigned>(warps * warp_bytes);
  if (bytes > usual_shared) check(cudaFuncSetAttribute(route_tokens, cudaFuncAttributeMaxDynamicSharedMemorySize, static_cast<int>(bytes)), "cudaFuncSetAttribute", where);
  const Grid grid{static_cast<unsigned>((gate.tokens + warps - 1) / warps), static_cast<unsigned>(32 * warps), bytes};
  launch("route_tokens", route_tokens, grid, stream, where, gate);
}

}  // namespace fp8lab::cuda

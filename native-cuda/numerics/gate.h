#pragma once
// Scores of experts and how they are ordered: docs/numerics.md, "Gate". The twin of src/kernels/gate/order.ts and scores.ts.

#include "exp.h"

namespace fp8lab {

enum class Score : u8 { sigmoid, sqrt_softplus, softmax, logit };
enum class GroupScore : u8 { top2_sum, max };
enum class Normalize : u8 { none, sum, softmax };

/** How tokens choose experts. */
struct GateRule {
  Score score;
  i64 topk, groups, topk_groups;
  GroupScore group_score;
  Normalize normalize;
  /** f32 bits. */
  u32 route_scale;
  i64 shared_experts;
};

namespace gate {

/** Key of what is no number: below that of -Inf. */
inline constexpr u32 nan_key = 0;
/** Lane of a slot that holds no expert. */
inline constexpr u32 no_expert = 0xffffffffu;
/** 1e-20: sums of scores start here. */
inline constexpr u32 sum_start = 0x1e3ce508u;

/** A u32 that orders f32 bits as numbers are ordered; both zeros have one key. */
FP8LAB_HD u32 key_of(u32 bits) {
  const u32 magnitude = bits & magnitude_mask;
  if (magnitude > inf_bits) return nan_key;
  if (magnitude == 0) return 0x80000000u;
  return bits == magnitude ? bits | 0x80000000u : ~bits;
}

FP8LAB_HD u32 bits_of_key(u32 key) { return (key & 0x80000000u) != 0 ? key & magnitude_mask : ~key; }

/** How far a chosen value lies above a refused one; both are keys of numbers. */
FP8LAB_HD u32 gap_of(u32 chosen, u32 refused) { return chosen == refused ? 0 : add_bits(bits_of_key(chosen), bits_of_key(refused) ^ 0x80000000u); }

/** A group's score as a key, from the keys of its two largest. */
FP8LAB_HD u32 group_key(GroupScore score, u32 first, u32 second) {
  return score == GroupScore::max ? first : key_of(add_bits(bits_of_key(first), bits_of_key(second)));
}

/** e^(logit - largest). */
FP8LAB_HD u32 exponential(u32 logit, u32 largest) { return exp_bits(add_bits(logit, largest ^ 0x80000000u)); }

/** An exponential, at most 1, in whole units of 2^-36. */
FP8LAB_HD u64 softmax_units(u32 bits) {
  if ((bits & magnitude_mask) == 0) return 0;
  const Power x = pinned::magnitude_of(bits);
  const i32 shift = x.exponent + 5;
  return shift < 0 ? pinned::shift_right(x.significand, -shift) : static_cast<u64>(x.significand) << shift;
}

FP8LAB_HD u32 softmax_sum(u64 units) { return pinned::pack(units, -36); }

/** The score of a logit; `largest` and `sum` are the softmax's. */
FP8LAB_HD u32 score_of(Score score, u32 logit, u32 largest, u32 sum) {
  switch (score) {
    case Score::sigmoid:
      return sigmoid_bits(logit);
    case Score::sqrt_softplus:
      return sqrt_bits(softplus_bits(logit));
    case Score::softmax:
      return div_bits(exponential(logit, largest), sum);
    default:
      return logit;
  }
}

}  // namespace gate

}  // namespace fp8lab

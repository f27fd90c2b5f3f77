#pragma once
// Integer inputs from a seed: docs/numerics.md, "Integers". The twin of src/tensors/generate-integers.ts.

#include "philox.h"

namespace fp8lab {

enum class IntegerGenerator : u8 { routing, mask, integers };

/** A generated I32 tensor; each generator looks at its own fields. */
struct IntegerInput {
  IntegerGenerator generator;
  u32 seed;
  /** `routing`: experts there are, the first `used` of them chosen; `skew` + 1 draws a slot. */
  u32 experts;
  u32 used;
  u32 skew;
  double masked_tokens;
  double masked_slots;
  /** `mask`: share of zeros. */
  double share;
  /** `integers`: all are less. */
  u32 below;
};

/** Lane of a slot or row that goes nowhere: -1. */
inline constexpr u32 nowhere = 0xffffffffu;

/** Whether the word of an element falls in the share that is masked. */
FP8LAB_HD bool is_masked(double share, u32 seed, u64 index, u32 stream) { return philox_word(seed, index, stream) < share * 4294967296.0; }

/** The least of an element's skew + 1 words. */
FP8LAB_HD u32 least_word(const IntegerInput& input, u64 index) {
  u32 word = philox_word(input.seed, index, stream_routing);
  for (u32 draw = 1; draw <= input.skew; draw++) word = least(word, philox_word(input.seed, index, stream_routing + draw));
  return word;
}

/** The expert of a slot: the one with `rank` smaller ones that no earlier slot of the row has. */
FP8LAB_HD u32 take_expert(u32 rank, const u32* row, u32 slot) {
  u32 expert = rank;
  for (bool moved = true; moved;) {
    u32 smaller = 0;
    for (u32 i = 0; i < slot; i++) smaller += row[i] <= expert ? 1 : 0;
    moved = rank + smaller != expert;
    expert = rank + smaller;
  }
  return expert;
}

/** Writes the `slots` lanes of a token. */
FP8LAB_HD void generate_routing_row(const IntegerInput& input, u64 token, u32 slots, u32* row) {
  for (u32 slot = 0; slot < slots; slot++) row[slot] = nowhere;
  if (is_masked(input.masked_tokens, input.seed, token, stream_outliers)) return;
  const u64 first = token * slots;
  const u32 chosen = least(slots, input.used);
  for (u32 slot = 0; slot < chosen; slot++) {
    row[slot] = take_expert(multiply_high(least_word(input, first + slot), input.used - slot), row, slot);
  }
  for (u32 slot = 0; slot < slots; slot++) {
    if (is_masked(input.masked_slots, input.seed, first + slot, stream_masked_slots)) row[slot] = nowhere;
  }
}

/** The code of element `index` of the generators of single elements. */
FP8LAB_HD u32 generated_integer(const IntegerInput& input, u64 index) {
  if (input.generator == IntegerGenerator::mask) return is_masked(input.share, input.seed, index, stream_outliers) ? 0 : 1;
  return multiply_high(philox_word(input.seed, index, stream_values), input.below);
}

}  // namespace fp8lab

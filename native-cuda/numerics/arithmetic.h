#pragma once
// How a product is summed: docs/numerics.md, "Products". The twin of src/numerics/arithmetic.ts.

#include "f32.h"

namespace fp8lab {

enum class ModelKind : u8 { aligned, exact, sequential };

/** What a fused sum is rounded to. */
enum class StepOutput : u8 { e8m13, f32_rz, f32_rne, f16_rne };

/** Which k go into a fused step: ascending, or of every 4 the first two and then the last two (Hopper's emulated FP8 mma.sync). */
enum class TermOrder : u8 { linear, p4 };

/** A tensor-core model; the last four fields are those of `aligned`. */
struct Model {
  ModelKind kind;
  int fraction_bits;
  i64 terms;
  StepOutput output;
  TermOrder order;
};

enum class Combine : u8 { scales_first, a_then_b, b_then_a };
enum class Promote : u8 { fused, unfused };

struct Arithmetic {
  Model model;
  /** k between promotions to f32; 0 means never. */
  i64 promote_every;
  Combine combine;
  Promote promote;
};

/** The accumulator after a block's partial sum and its two scales. */
FP8LAB_HD float promote(Combine combine, Promote promote, float sum, float partial, float scale_a, float scale_b) {
  const float first = combine == Combine::scales_first ? mul_rn(scale_a, scale_b)
                      : combine == Combine::a_then_b   ? mul_rn(partial, scale_a)
                                                       : mul_rn(partial, scale_b);
  const float second = combine == Combine::scales_first ? partial : combine == Combine::a_then_b ? scale_b : scale_a;
  return promote == Promote::fused ? fma_rn(first, second, sum) : add_rn(sum, mul_rn(first, second));
}

}  // namespace fp8lab

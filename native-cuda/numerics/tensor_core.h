#pragma once
// Tensor-core models, one output at a time, in integers: docs/numerics.md, "Products". The twin of src/numerics/tensor-core.ts.
// Speed is the business of the kernels; this is what they are held against.

#include "arithmetic.h"
#include "codec.h"

namespace fp8lab {

enum class Special : u8 { none, infinite, nan };

/**
 * A code decoded for products: value = significand * 2^(exponent - mantissa_bits). Subnormals keep the exponent of the least normal:
 * hardware does not normalize them. The sign of an infinity is the significand's, +1 or -1.
 */
struct Operand {
  i32 significand;
  i32 exponent;
  Special special;
};

/** A code decoded; formats of at most 16 bits. */
FP8LAB_HD Operand decode_operand(u32 code, const Format& format) {
  const u32 magnitude = magnitude_of(code, format);
  const bool negative = magnitude != code;
  if (is_nan_code(code, format)) return {0, 0, Special::nan};
  if (is_inf_code(code, format)) return {negative ? -1 : 1, 0, Special::infinite};
  const i32 field = static_cast<i32>(magnitude >> format.mantissa_bits);
  const i32 fraction = static_cast<i32>(magnitude & ((1u << format.mantissa_bits) - 1));
  const i32 hidden = 1 << format.mantissa_bits;
  if (format.specials == Specials::scale) return {hidden, field - format.bias, Special::none};
  const i32 significand = fraction + (field > 0 ? hidden : 0);
  return {negative ? -significand : significand, most(field, 1) - format.bias, Special::none};
}

/** Two operands of a fused sum, as one term: significand * 2^exponent / 2^fraction_bits. */
struct Term {
  i64 significand;
  i32 exponent;
  Special special;
};

FP8LAB_HD Term product(const Operand& a, const Operand& b) {
  const i64 significand = static_cast<i64>(a.significand) * b.significand;
  if (a.special == Special::none && b.special == Special::none) return {significand, a.exponent + b.exponent, Special::none};
  const bool invalid = a.special == Special::nan || b.special == Special::nan || significand == 0;
  return {significand < 0 ? -1 : 1, 0, invalid ? Special::nan : Special::infinite};
}

/** f32 bits of an accumulator as a term with 23 fraction bits. */
FP8LAB_HD Term accumulator_term(u32 bits) {
  const u32 magnitude = bits & magnitude_mask;
  const bool negative = (bits >> 31) == 1;
  if (magnitude > inf_bits) return {0, 0, Special::nan};
  if (magnitude == inf_bits) return {negative ? -1 : 1, 0, Special::infinite};
  const i32 field = static_cast<i32>(magnitude >> 23);
  const i64 significand = static_cast<i64>((magnitude & 0x7fffffu) | (field > 0 ? 0x800000u : 0));
  return {negative ? -significand : significand, most(field, 1) - 127, Special::none};
}

/** NaN and infinities met so far in a sum: IEEE addition of them. */
struct SpecialSum {
  bool positive = false;
  bool negative = false;
  bool nan = false;
};

FP8LAB_HD void add_special(SpecialSum& sum, const Term& term) {
  if (term.special == Special::nan) sum.nan = true;
  if (term.special == Special::infinite) (term.significand < 0 ? sum.negative : sum.positive) = true;
}

FP8LAB_HD bool any_special(const SpecialSum& sum) { return sum.nan || sum.positive || sum.negative; }

/** f32 bits of a sum that has a special term. */
FP8LAB_HD u32 special_bits(const SpecialSum& sum) {
  if (sum.nan || (sum.positive && sum.negative)) return nan_bits;
  return sum.positive ? inf_bits : 0x80000000u | inf_bits;
}

/** magnitude / 2^shift, to the nearest with ties to even, or truncated; shift >= 1. */
FP8LAB_HD u64 shift_rounded(u64 magnitude, int shift, bool nearest) {
  if (shift > 63) return 0;
  const u64 kept = magnitude >> shift;
  const u64 rest = magnitude & ((u64{1} << shift) - 1);
  const u64 half = u64{1} << (shift - 1);
  return nearest && (rest > half || (rest == half && (kept & 1) == 1)) ? kept + 1 : kept;
}

/** Rounds sum * 2^exponent to a step's output as f32 bits: +0 for an empty sum, Inf past the largest value. |sum| < 2^63. */
FP8LAB_HD u32 round_step(i64 sum, int exponent, StepOutput output) {
  if (sum == 0) return 0;
  const u64 magnitude = sum < 0 ? u64{0} - static_cast<u64>(sum) : static_cast<u64>(sum);
  const bool half_precision = output == StepOutput::f16_rne;
  const int kept = output == StepOutput::e8m13 ? 13 : half_precision ? 10 : 23;
  const int least_weight = half_precision ? -24 : -126 - kept;
  const int last = most(exponent + bit_length(magnitude) - 1 - kept, least_weight);
  const bool nearest = output == StepOutput::f32_rne || half_precision;
  const u64 rounded = last > exponent ? shift_rounded(magnitude, last - exponent, nearest) : magnitude;
  if (rounded == 0) return 0;
  const int weight = last > exponent ? last : exponent;
  const u32 sign = sum < 0 ? 0x80000000u : 0;
  // rounded has at most 24 bits (25 after a carry, the last then zero); as f32: normalized, or a subnormal with the bits to spare.
  const int length = bit_length(rounded);
  const int top = weight + length - 1;
  if (top > (half_precision ? 15 : 127)) return sign | inf_bits;
  if (top < -126) return sign | static_cast<u32>(rounded << (weight + 149));
  const u32 significand = static_cast<u32>(length > 24 ? rounded >> (length - 24) : rounded << (24 - length));
  return sign | ((static_cast<u32>(top + 126) << 23) + significand);
}

/** A term's magnitude with `fraction_bits` bits below 2^largest, truncated toward zero; `own` is the fraction bits it has. */
FP8LAB_HD i64 align(const Term& term, int own, int fraction_bits, int largest) {
  const int shift = fraction_bits - own - (largest - term.exponent);
  if (shift >= 0) return static_cast<i64>(static_cast<u64>(term.significand) << shift);
  if (shift < -62) return 0;
  return term.significand < 0 ? -((-term.significand) >> -shift) : term.significand >> -shift;
}

/**
 * One fused step: the products `term(i)`, i below `count`, and the accumulator (f32 bits), aligned, truncated, summed, rounded; gives f32
 * bits. `own` is the fraction bits of a product: the two formats' mantissa bits. Sums are held in 64 bits: fraction_bits + log2(count)
 * <= 58.
 */
template <class Terms>
FP8LAB_HD u32 aligned_step(const Model& model, int own, u32 accumulator, i64 count, const Terms& term) {
  constexpr int none = -100000;
  const Term c = accumulator_term(accumulator);
  SpecialSum special;
  add_special(special, c);
  int largest = c.significand != 0 ? c.exponent : none;
  for (i64 i = 0; i < count; i++) {
    const Term t = term(i);
    add_special(special, t);
    if (t.significand != 0) largest = most(largest, t.exponent);
  }
  if (any_special(special)) return special_bits(special);
  if (largest == none) return 0;
  i64 sum = align(c, 23, model.fraction_bits, largest);
  for (i64 i = 0; i < count; i++) sum += align(term(i), own, model.fraction_bits, largest);
  return round_step(sum, largest - model.fraction_bits, model.output);
}

/** Number of fused steps of a block of `count` products; some may be empty in `p4` order. */
FP8LAB_HD i64 step_count(const Model& model, i64 count) {
  if (model.order == TermOrder::linear) return (count + model.terms - 1) / model.terms;
  return 2 * ((count + 2 * model.terms - 1) / (2 * model.terms));
}

/** Products in step `step` of a block of `count`. */
FP8LAB_HD i64 step_size(const Model& model, i64 count, i64 step) {
  if (model.order == TermOrder::linear) return least(model.terms, count - step * model.terms);
  const i64 chunk = least(2 * model.terms, count - (step / 2) * 2 * model.terms);
  const i64 rest = chunk % 4;
  return chunk / 4 * 2 + (step % 2 == 0 ? least<i64>(rest, 2) : most<i64>(rest - 2, 0));
}

/** The k, within its block, of term i of a step. */
FP8LAB_HD i64 step_index(const Model& model, i64 step, i64 i) {
  if (model.order == TermOrder::linear) return step * model.terms + i;
  return (step / 2) * 2 * model.terms + (i / 2) * 4 + (step % 2) * 2 + i % 2;
}

/** The sum of a block's products by an `aligned` model, from zero; f32 bits. `term(k)` gives the product at k of the block. */
template <class Terms>
FP8LAB_HD u32 aligned_block(const Model& model, int own, i64 count, const Terms& term) {
  u32 sum = 0;
  for (i64 step = 0; step < step_count(model, count); step++) {
    const i64 size = step_size(model, count, step);
    if (size == 0) continue;
    sum = aligned_step(model, own, sum, size, [&](i64 i) { return term(step_index(model, step, i)); });
  }
  return sum;
}

/** An exact sum of products: a two's complement number of 640 bits whose last bit weighs 2^-288, wide enough for any 2^31 products of bf16.
 */
struct ExactSum {
  static constexpr int words = 20;
  static constexpr int lowest = -288;
  u32 digits[words] = {};
  SpecialSum special;
};

/** Adds a term with `own` fraction bits. */
FP8LAB_HD void add_exact(ExactSum& sum, const Term& term, int own) {
  add_special(sum.special, term);
  if (term.special != Special::none || term.significand == 0) return;
  const int position = term.exponent - own - ExactSum::lowest;
  const int offset = position % 32;
  // The term's 64 bits, shifted by 0 to 31, take three digits; its sign fills all above them.
  const u32 low = static_cast<u32>(term.significand);
  const u32 high = static_cast<u32>(static_cast<u64>(term.significand) >> 32);
  const u32 fill = term.significand < 0 ? 0xffffffffu : 0;
  const u64 shifted_low = static_cast<u64>(low) << offset;
  const u64 shifted_high = ((static_cast<u64>(fill) << 32) | high) << offset;
  u64 carry = 0;
  for (int word = position / 32, part = 0; word < ExactSum::words; word++, part++) {
    const u32 digit = part == 0   ? static_cast<u32>(shifted_low)
                      : part == 1 ? static_cast<u32>(shifted_low >> 32) | static_cast<u32>(shifted_high)
                      : part == 2 ? static_cast<u32>(shifted_high >> 32)
                                  : fill;
    carry += static_cast<u64>(sum.digits[word]) + digit;
    sum.digits[word] = static_cast<u32>(carry);
    carry >>= 32;
  }
}

/** The sum rounded once to f32, nearest even; bits. A zero sum is +0. */
FP8LAB_HD u32 round_exact(ExactSum sum) {
  if (any_special(sum.special)) return special_bits(sum.special);
  const bool negative = (sum.digits[ExactSum::words - 1] >> 31) == 1;
  u64 carry = 1;
  for (int word = 0; negative && word < ExactSum::words; word++) {
    carry += static_cast<u32>(~sum.digits[word]);
    sum.digits[word] = static_cast<u32>(carry);
    carry >>= 32;
  }
  int top = ExactSum::words - 1;
  while (top > 0 && sum.digits[top] == 0) top--;
  // A sum of the last digit alone is below 2^-256.
  if (top == 0) return 0;
  // The 33 to 64 leading bits, all below folded into the last one kept: rounded to odd, then once to nearest.
  const u64 leading = (static_cast<u64>(sum.digits[top]) << 32) | sum.digits[top - 1];
  bool rest = (leading & 1) == 1;
  for (int word = 0; word < top - 1; word++) rest = rest || sum.digits[word] != 0;
  const i64 value = static_cast<i64>((leading >> 1) | static_cast<u64>(rest));
  return round_step(negative ? -value : value, ExactSum::lowest + 32 * (top - 1) + 1, StepOutput::f32_rne);
}

/** The exact sum of a block's products, rounded once; f32 bits. */
template <class Terms>
FP8LAB_HD u32 exact_block(int own, i64 count, const Terms& term) {
  ExactSum sum;
  for (i64 k = 0; k < count; k++) add_exact(sum, term(k), own);
  return round_exact(sum);
}

/** acc = fma(a, b, acc) over a block, k ascending; f32 bits. `a(k)` and `b(k)` give f32 values. */
template <class A, class B>
FP8LAB_HD u32 sequential_block(i64 count, const A& a, const B& b) {
  float sum = 0;
  for (i64 k = 0; k < count; k++) sum = fma_rn(a(k), b(k), sum);
  return canonical_bits(sum);
}

/** The sum of `count` products of codes of two formats (at most 16 bits), as the model has it; f32 bits. `a` and `b` index codes by k. */
template <class A, class B>
FP8LAB_HD u32 block_sum(const Model& model, const Format& format_a, const Format& format_b, i64 count, const A& a, const B& b) {
  const int own = format_a.mantissa_bits + format_b.mantissa_bits;
  const auto term = [&](i64 k) { return product(decode_operand(a[k], format_a), decode_operand(b[k], format_b)); };
  if (model.kind == ModelKind::aligned) return aligned_block(model, own, count, term);
  if (model.kind == ModelKind::exact) return exact_block(own, count, term);
  return sequential_block(
      count, [&](i64 k) { return bits_float(decode(a[k], format_a)); }, [&](i64 k) { return bits_float(decode(b[k], format_b)); });
}

}  // namespace fp8lab

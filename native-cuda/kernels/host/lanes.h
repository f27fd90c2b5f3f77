#pragma once
// The inner loops of the host kernels, compiled once for each instruction set and chosen at run time. All sets give the same bits.

#include "../../numerics/arithmetic.h"
#include "../../numerics/formats.h"
#include "../../numerics/scale.h"

namespace fp8lab::host {

/**
 * What the fast encoder needs of a format: nearest even, at most 5 exponent bits. The least code is above 2^-40 then, so that scaling a
 * value in f32 first, even into f32's subnormals, cannot change its code.
 */
struct FastFormat {
  int mantissa_bits;
  u32 bias_codes;       // (127 - bias) << mantissa_bits
  u32 min_normal_bits;  // f32 bits
  u32 magic_bits;       // f32 whose last bit weighs the least subnormal
  u32 max_code;
  u32 overflow_code;
  u32 nan_code;
  u32 sign_shift;  // from bit 31 down to the code's sign bit
};

/** Whether the fast encoder knows the format with these rules; fills `fast`. */
bool fast_format(const Format& format, Rounding rounding, Overflow overflow, FastFormat& fast);

/** Columns of B that a gemm works on together: the packed layout's width. */
inline constexpr int group = 16;

/**
 * Packed operands of one k-block of an aligned product. A block is `steps` fused sums of `terms` products (even, filled up with zeros).
 * A: values and exponents [rows][stride]. B: values [k][group], exponents [k / 2][group][2]. A zero's exponent is `zero_exponent`.
 */
struct AlignedBlock {
  const float* a_values;
  const std::int16_t* a_exponents;
  i64 a_stride;
  i64 rows;
  const float* b_values;
  const std::int16_t* b_exponents;
  i64 steps;
  i64 terms;
  int fraction_bits;
  StepOutput output;
  /** Products whose sum fits an i32 with the accumulator. */
  i64 terms_in_i32;
  /** [rows][group]: f32 bits of the block's sums. */
  float* partial;
};

inline constexpr std::int16_t zero_exponent = -8192;

/** A block of an exact or sequential product: values as in AlignedBlock, `terms` of them. */
struct PlainBlock {
  const float* a_values;
  i64 a_stride;
  i64 rows;
  const float* b_values;
  i64 terms;
  float* partial;
};

struct LaneOps {
  const char* name;
  /** f32 bits of bf16 and f16 codes; NaN canonical. */
  void (*widen_bf16)(const u16* codes, u32* bits, i64 n);
  void (*widen_f16)(const u16* codes, u32* bits, i64 n);
  /** Largest magnitude of f32 bits, in u32 order. */
  u32 (*amax)(const u32* bits, i64 n);
  /** amax[i] = max(amax[i], |bits[i]|). */
  void (*amax_each)(const u32* bits, u32* amax, i64 n);
  /** code(x * factor), or code(x / factor); one factor for all, or one an element. */
  void (*encode_8)(const u32* bits, u8* codes, i64 n, const FastFormat& format, float factor, bool divide);
  void (*encode_16)(const u32* bits, u16* codes, i64 n, const FastFormat& format, float factor, bool divide);
  void (*encode_each_8)(const u32* bits, u8* codes, i64 n, const FastFormat& format, const float* factors, bool divide);
  /** fl(table[code] * factor) as f32 bits, NaN canonical. */
  void (*scale_8)(const u8* codes, const float* table, float factor, u32* bits, i64 n);
  /** bf16 of f32 bits, nearest even, Inf past the largest. */
  void (*narrow_bf16)(const u32* bits, u16* codes, i64 n);
  /** Philox words of elements 4 * counter on, 4 * blocks of them. */
  void (*philox)(u32 seed, u32 counter, u32 stream, u32* words, i64 blocks);
  /** Sums of an aligned model; see AlignedBlock. */
  void (*aligned)(const AlignedBlock& block);
  /** Exact sums that fit a double, rounded once. */
  void (*exact)(const PlainBlock& block);
  /** acc = fma(a, b, acc). */
  void (*sequential)(const PlainBlock& block);
  /** sums [rows][group] = promote(sums, partial, scale_a [rows], scale_b [group]). */
  void (*promote)(const Arithmetic& arithmetic, float* sums, const float* partial, const float* scale_a, const float* scale_b, i64 rows);
};

/** The widest instruction set this CPU has; FP8LAB_ISA=base|avx2|avx512 asks for a narrower one. Throws `unknown-isa` for one it has not.
 */
const LaneOps& lane_ops();

/** Every set that this build and CPU have, narrowest first: for tests. */
int lane_op_sets(const LaneOps* sets[4]);

}  // namespace fp8lab::host

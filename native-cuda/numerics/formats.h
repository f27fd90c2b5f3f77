#pragma once
// Number formats as data. The table itself, formats_table.h, is written from src/numerics/formats.ts (see
// test/native/formats-table.test.ts).

#include "hd.h"

namespace fp8lab {

/** How a format uses its top codes; see src/numerics/formats.ts. */
enum class Specials : u8 { ieee, fn, finite, fnuz, scale };

/** How a value between two codes is rounded. */
enum class Rounding : u8 { nearest_even, toward_zero, toward_positive, toward_negative, nearest_away, to_odd, stochastic };

/** What becomes of values past the largest finite code. */
enum class Overflow : u8 { saturate, ieee };

/** A number format. Value of a normal code: (-1)^s * 2^(e - bias) * (1 + m / 2^mantissa_bits). Codes have the sign clear; -1: none. */
struct Format {
  int bits;
  int sign_bits;
  int exponent_bits;
  int mantissa_bits;
  int bias;
  Specials specials;
  u32 max_code;
  i32 nan_code;
  i32 inf_code;
  /** f32 bits of the largest finite value, the least normal and the least subnormal. */
  u32 max_bits;
  u32 min_normal_bits;
  u32 min_subnormal_bits;
};

}  // namespace fp8lab

#include "formats_table.h"

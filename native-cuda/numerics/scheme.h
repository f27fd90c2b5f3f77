#pragma once
// How a matrix is quantized. The twin of src/numerics/scheme.ts.

#include "formats.h"

namespace fp8lab {

/** How a tile's scale is computed and applied: docs/numerics.md, "Quantization". */
enum class Recipe : u8 { divide, reciprocal, inverse, deepep, v32, te, torchao, pow2, mx_floor, mx_ceil, mx_even, mx_rceil, nvfp4, unit };

/** How stored scales lie in memory: docs/architecture.md, "Tensor names". */
enum class ScaleLayout : u8 { row_major, mn_major, packed_e8m0 };

/** How a matrix [rows, columns] is quantized; tile extents of 0 mean the whole extent. */
struct Scheme {
  FormatId format;
  i64 tile_rows;
  i64 tile_columns;
  /** f32, e8m0 or e4m3. */
  FormatId scale_type;
  Recipe recipe;
  /** f32 bits. */
  u32 amax_floor;
  ScaleLayout layout;
  Rounding rounding;
  Overflow overflow;
  u32 seed;
};

/** Recipes whose scales are powers of two. */
FP8LAB_HD constexpr bool is_power_of_two(Recipe recipe) {
  return recipe == Recipe::pow2 || recipe == Recipe::mx_floor || recipe == Recipe::mx_ceil || recipe == Recipe::mx_even ||
         recipe == Recipe::mx_rceil;
}

}  // namespace fp8lab

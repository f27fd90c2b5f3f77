#pragma once
// f32 operations on bits: correctly rounded, nearest even, subnormals kept, NaN canonical. docs/numerics.md, "Words".
// The host is compiled without contraction and without fast-math; the device uses the intrinsics that no compiler flag changes.

#include "hd.h"

#if !defined(__CUDA_ARCH__)
#include <cmath>
#endif

namespace fp8lab {

inline constexpr u32 nan_bits = 0x7fffffffu;
inline constexpr u32 inf_bits = 0x7f800000u;
inline constexpr u32 one_bits = 0x3f800000u;
inline constexpr u32 largest_bits = 0x7f7fffffu;
inline constexpr u32 magnitude_mask = 0x7fffffffu;

/** Bits of x, every NaN as the canonical one. */
FP8LAB_HD u32 canonical_bits(float x) {
  const u32 bits = float_bits(x);
  return (bits & magnitude_mask) > inf_bits ? nan_bits : bits;
}

/** fl(a + b). */
FP8LAB_HD float add_rn(float a, float b) {
#if defined(__CUDA_ARCH__)
  return __fadd_rn(a, b);
#else
  return a + b;
#endif
}

/** fl(a * b). */
FP8LAB_HD float mul_rn(float a, float b) {
#if defined(__CUDA_ARCH__)
  return __fmul_rn(a, b);
#else
  return a * b;
#endif
}

/** fl(a / b). */
FP8LAB_HD float div_rn(float a, float b) {
#if defined(__CUDA_ARCH__)
  return __fdiv_rn(a, b);
#else
  return a / b;
#endif
}

/** fl(a * b + c), one rounding. */
FP8LAB_HD float fma_rn(float a, float b, float c) {
#if defined(__CUDA_ARCH__)
  return __fmaf_rn(a, b, c);
#else
  return __builtin_fmaf(a, b, c);
#endif
}

FP8LAB_HD u32 add_bits(u32 a, u32 b) { return canonical_bits(add_rn(bits_float(a), bits_float(b))); }
FP8LAB_HD u32 mul_bits(u32 a, u32 b) { return canonical_bits(mul_rn(bits_float(a), bits_float(b))); }
FP8LAB_HD u32 div_bits(u32 a, u32 b) { return canonical_bits(div_rn(bits_float(a), bits_float(b))); }

}  // namespace fp8lab

#pragma once
// What host and device code share: fixed-width types, bit casts, and the macro that marks functions for both.

#include <cstdint>

/**
 * Marks a function for host and device. Internal linkage: the host kernels are compiled several times with different instruction sets,
 * and the linker must never take one set's copy for another's.
 */
#if defined(__CUDACC__)
#define FP8LAB_HD static __host__ __device__ inline
#else
#define FP8LAB_HD [[maybe_unused]] static inline
#endif

namespace fp8lab {

using u8 = std::uint8_t;
using u16 = std::uint16_t;
using u32 = std::uint32_t;
using u64 = std::uint64_t;
using i32 = std::int32_t;
using i64 = std::int64_t;

/** Bits of a float. */
FP8LAB_HD u32 float_bits(float x) {
#if defined(__CUDA_ARCH__)
  return __float_as_uint(x);
#else
  return __builtin_bit_cast(u32, x);
#endif
}

/** The float with these bits. */
FP8LAB_HD float bits_float(u32 bits) {
#if defined(__CUDA_ARCH__)
  return __uint_as_float(bits);
#else
  return __builtin_bit_cast(float, bits);
#endif
}

/** The double with these bits. */
FP8LAB_HD double bits_double(u64 bits) {
#if defined(__CUDA_ARCH__)
  return __longlong_as_double(static_cast<long long>(bits));
#else
  return __builtin_bit_cast(double, bits);
#endif
}

/** Zeros above the leading one of x; 32 for 0. */
FP8LAB_HD int leading_zeros(u32 x) {
#if defined(__CUDA_ARCH__)
  return __clz(static_cast<int>(x));
#else
  return x == 0 ? 32 : __builtin_clz(x);
#endif
}

/** Bits up to the leading one of x; 0 for 0. */
FP8LAB_HD int bit_length(u64 x) {
#if defined(__CUDA_ARCH__)
  return 64 - __clzll(static_cast<long long>(x));
#else
  return x == 0 ? 0 : 64 - __builtin_clzll(x);
#endif
}

/** High 32 bits of the product of two u32. */
FP8LAB_HD u32 multiply_high(u32 a, u32 b) { return static_cast<u32>((static_cast<u64>(a) * b) >> 32); }

template <class T>
FP8LAB_HD constexpr T least(T a, T b) {
  return b < a ? b : a;
}

template <class T>
FP8LAB_HD constexpr T most(T a, T b) {
  return a < b ? b : a;
}

}  // namespace fp8lab

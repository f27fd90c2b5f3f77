#pragma once
// The built-in functions of CUDA C++ that the kernels use, for the running thread of the emulator.

#include <bit>
#include <utility>

#include "../numerics/f32.h"
#include "scheduler.h"

struct uint4 {
  unsigned x, y, z, w;
};
struct float2 {
  float x, y;
};

namespace fp8lab::emulator {

/** Meets the lanes of `mask`; gives what each brought. */
const u64* meet_warp(u32 mask, u64 value, const char* instruction);

/** What lane `from` brought, or the own value where there is no such lane or it takes no part. */
template <class T>
T shuffle(u32 mask, T value, u32 from, const char* instruction) {
  static_assert(sizeof(T) == 4 || sizeof(T) == 8);
  const u64* values = meet_warp(mask, static_cast<u64>(value), instruction);
  return from < 32 && ((mask >> from) & 1) != 0 ? static_cast<T>(values[from]) : value;
}

inline u32 lane() { return current().index % 32; }

}  // namespace fp8lab::emulator

/** All live threads of the block meet. */
void __syncthreads();
[[noreturn]] void __trap();

inline void __syncwarp(unsigned mask = 0xffffffff) { fp8lab::emulator::meet_warp(mask, 0, "__syncwarp"); }
template <class T>
T __shfl_sync(unsigned mask, T value, unsigned from) {
  return fp8lab::emulator::shuffle(mask, value, from % 32, "__shfl_sync");
}
template <class T>
T __shfl_xor_sync(unsigned mask, T value, unsigned bits) {
  return fp8lab::emulator::shuffle(mask, value, fp8lab::emulator::lane() ^ bits, "__shfl_xor_sync");
}
template <class T>
T __shfl_up_sync(unsigned mask, T value, unsigned distance) {
  return fp8lab::emulator::shuffle(mask, value, fp8lab::emulator::lane() - distance, "__shfl_up_sync");
}
unsigned __reduce_max_sync(unsigned mask, unsigned value);
unsigned __reduce_min_sync(unsigned mask, unsigned value);
unsigned __match_any_sync(unsigned mask, unsigned value);
bool __all_sync(unsigned mask, bool value);

inline unsigned atomicAdd(unsigned* to, unsigned value) { return std::exchange(*to, *to + value); }
inline unsigned atomicMax(unsigned* to, unsigned value) { return std::exchange(*to, *to < value ? value : *to); }

inline int __popc(unsigned x) { return std::popcount(x); }
template <class T>
T __ldg(const T* from) {
  return *from;
}
inline unsigned __float_as_uint(float x) { return std::bit_cast<unsigned>(x); }
inline float __uint_as_float(unsigned x) { return std::bit_cast<float>(x); }
/** The device has one NaN for a result. */
inline float __fadd_rn(float a, float b) { return __uint_as_float(fp8lab::canonical_bits(a + b)); }
inline float __fmul_rn(float a, float b) { return __uint_as_float(fp8lab::canonical_bits(a * b)); }
inline float __fdiv_rn(float a, float b) { return __uint_as_float(fp8lab::canonical_bits(a / b)); }
inline float __fmaf_rn(float a, float b, float c) { return __uint_as_float(fp8lab::canonical_bits(__builtin_fmaf(a, b, c))); }

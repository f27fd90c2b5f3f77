#pragma once
// Elements of any format in memory.

#include "../../numerics/codec.h"
#include "api.h"

namespace fp8lab::cuda {

__device__ __forceinline__ u32 read_lane(const void* lanes, int width, i64 index) {
  if (width == 1) return static_cast<const u8*>(lanes)[index];
  if (width == 2) return static_cast<const u16*>(lanes)[index];
  return static_cast<const u32*>(lanes)[index];
}

__device__ __forceinline__ void write_lane(void* lanes, int width, i64 index, u32 code) {
  if (width == 1) {
    static_cast<u8*>(lanes)[index] = static_cast<u8>(code);
  } else if (width == 2) {
    static_cast<u16*>(lanes)[index] = static_cast<u16>(code);
  } else {
    static_cast<u32*>(lanes)[index] = code;
  }
}

/** f32 bits of an element, without its tile's factor. */
__device__ __forceinline__ u32 value_at(const MatrixView& x, const Format& format, i64 index) { return decode(read_lane(x.lanes, x.width, index), format); }

}  // namespace fp8lab::cuda

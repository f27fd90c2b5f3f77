#pragma once
// What a thread of the wgmma gemm does with its accumulators: promotes partial sums by their scales, and writes the sums where the store reads them.

#include "descriptor.h"
#include "ptx.cuh"
#include "schedule.h"

namespace fp8lab::cuda {

/** Scales of one thread's partial sums: two rows of A, and B's two blocks. */
struct Scales {
  float row[2];
  float block[2];
};

/** sum = fma(fl(sa * sb), partial, sum), B's scales by 128x128 block. `phase` is the tile's first column within its block. */
template <int tile_n>
__device__ __forceinline__ void promote_blocks(float (&sum)[tile_n / 2], float (&partial)[tile_n / 2], const Scales& scales, int phase) {
  constexpr int segment = least(tile_n & -tile_n, 128);
  float products[2][2];
#pragma unroll
  for (int block = 0; block < 2; block++) {
    products[block][0] = __fmul_rn(scales.row[0], scales.block[block]);
    products[block][1] = __fmul_rn(scales.row[1], scales.block[block]);
  }
#pragma unroll
  for (int column = 0; column < tile_n; column += segment) {
    const bool second = tile_n % 128 != 0 && phase + column >= 128;
    const float upper = second ? products[1][0] : products[0][0];
    const float lower = second ? products[1][1] : products[0][1];
#pragma unroll
    for (int i = column / 2; i < (column + segment) / 2; i += 4) {
      sum[i] = __fmaf_rn(upper, partial[i], sum[i]);
      sum[i + 1] = __fmaf_rn(upper, partial[i + 1], sum[i + 1]);
      sum[i + 2] = __fmaf_rn(lower, partial[i + 2], sum[i + 2]);
      sum[i + 3] = __fmaf_rn(lower, partial[i + 3], sum[i + 3]);
    }
  }
}

/** The same with a scale of B for each of its rows. */
template <int tile_n>
__device__ __forceinline__ void promote_rows(float (&sum)[tile_n / 2], float (&partial)[tile_n / 2], const Scales& scales, const float2 (&columns)[tile_n / 8]) {
#pragma unroll
  for (int i = 0; i < tile_n / 8; i++) {
    sum[4 * i] = __fmaf_rn(__fmul_rn(scales.row[0], columns[i].x), partial[4 * i], sum[4 * i]);
    sum[4 * i + 1] = __fmaf_rn(__fmul_rn(scales.row[0], columns[i].y), partial[4 * i + 1], sum[4 * i + 1]);
    sum[4 * i + 2] = __fmaf_rn(__fmul_rn(scales.row[1], columns[i].x), partial[4 * i + 2], sum[4 * i + 2]);
    sum[4 * i + 3] = __fmaf_rn(__fmul_rn(scales.row[1], columns[i].y), partial[4 * i + 3], sum[4 * i + 3]);
  }
}

/** Writes 64 rows to the staging area, in the layout that the store's boxes of `columns` columns read. */
template <int tile_n, int output_bytes, int columns>
__device__ __forceinline__ void stage_output(const float (&sum)[tile_n / 2], u32 staging) {
  constexpr int row_bytes = columns * output_bytes;
  constexpr int box_bytes = row_bytes * wave_rows;
  const int lane = threadIdx.x % 32;
  const int first = (threadIdx.x / 32 % 4) * 16;
  if constexpr (output_bytes == 2) {
    const int row = first + lane % 16;
#pragma unroll
    for (int i = 0; i < tile_n / 8; i += 2) {
      const int column = i * 8;
      const u32 chunk = column % columns / 8 + lane / 16;
      const u32 offset = row_bytes == 128 ? swizzle128(row, chunk) : swizzle64(row, chunk);
      store_matrices(staging + column / columns * box_bytes + offset, pack_bf16(sum[4 * i], sum[4 * i + 1]), pack_bf16(sum[4 * i + 2], sum[4 * i + 3]),
                     pack_bf16(sum[4 * i + 4], sum[4 * i + 5]), pack_bf16(sum[4 * i + 6], sum[4 * i + 7]));
    }
  } else {
    const int row = first + lane / 4;
#pragma unroll
    for (int i = 0; i < tile_n / 8; i++) {
      const int column = i * 8;
      const u32 chunk = column % columns / 4 + lane % 4 / 2;
      const u32 base = staging + column / columns * box_bytes + lane % 2 * 8;
      const u32 upper = row_bytes == 128 ? swizzle128(row, chunk) : swizzle64(row, chunk);
      const u32 lower = row_bytes == 128 ? swizzle128(row + 8, chunk) : swizzle64(row + 8, chunk);
      store_shared(base + upper, sum[4 * i], sum[4 * i + 1]);
      store_shared(base + lower, sum[4 * i + 2], sum[4 * i + 3]);
    }
  }
}

}  // namespace fp8lab::cuda

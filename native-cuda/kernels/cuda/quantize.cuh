#pragma once
// Quantization to fp8 at the speed of memory: each element is read once, kept in registers while its tile's largest is found, and written once.
// What is quantized is a source: 16 neighbours of a row at a time, from bf16, from other codes, or computed on the way.
// Scales come from the shared header; codes from the conversion instruction, which is the contract's nearest-even saturating rule.

#include "../../numerics/scale.h"
#include "api.h"
#include "launch.h"
#include "ptx.cuh"

namespace fp8lab::cuda {

/**
 * A tile's factor as one f32 operation: a division or a multiplication, by 1 where the values stay. A shift is a multiplication here: exact, or so small that every
 * fp8 code of it is zero.
 */
__device__ __forceinline__ float fast_factor(const Factor& factor) {
  switch (factor.kind) {
    case FactorKind::divide:
    case FactorKind::multiply: return bits_float(factor.bits);
    case FactorKind::shift: return bits_float(factor.exponent > -127 ? static_cast<u32>(factor.exponent + 127) << 23 : 0x00400000u);
    case FactorKind::none: return 1.0f;
    case FactorKind::nan: return bits_float(nan_bits);
  }
  return 1.0f;
}

__device__ __forceinline__ bool divides(const Scheme& scheme) { return scheme.recipe == Recipe::divide || scheme.recipe == Recipe::v32; }

/** Whether the kernels below hold the scheme; its format and tile aside. */
inline bool is_fast_rule(const Scheme& scheme) {
  const bool format = scheme.format == FormatId::e4m3 || scheme.format == FormatId::e5m2;
  return format && scheme.rounding == Rounding::nearest_even && scheme.overflow == Overflow::saturate && scheme.recipe != Recipe::nvfp4;
}

/** Sixteen bf16 values of a row. */
struct Narrow {
  u32 words[8];

  __device__ __forceinline__ void load(const u16* address) {
    const uint4 first = __ldg(reinterpret_cast<const uint4*>(address));
    const uint4 second = __ldg(reinterpret_cast<const uint4*>(address) + 1);
    words[0] = first.x, words[1] = first.y, words[2] = first.z, words[3] = first.w;
    words[4] = second.x, words[5] = second.y, words[6] = second.z, words[7] = second.w;
  }
  __device__ __forceinline__ void clear() {
#pragma unroll
    for (u32& word : words) word = 0;
  }
  /** f32 bits of value i. */
  __device__ __forceinline__ u32 operator[](int i) const { return i % 2 == 0 ? words[i / 2] << 16 : words[i / 2] & 0xffff0000u; }
};

/** Sixteen f32 values. */
struct Wide {
  u32 bits[16];

  __device__ __forceinline__ void clear() {
#pragma unroll
    for (u32& value : bits) value = 0;
  }
  __device__ __forceinline__ u32 operator[](int i) const { return bits[i]; }
};

/** A bf16 matrix. */
struct NarrowSource {
  using Values = Narrow;
  /** Whether there are kernels by 128x128. */
  static constexpr bool by_block = true;
  const u16* x;
  i64 rows, columns;

  __device__ __forceinline__ void load(Values& values, i64 row, i64 column) const { values.load(x + row * columns + column); }
};

/** Codes with the factors of their tiles, which 16 neighbours of a row share. */
template <FormatId from>
struct CodeSource {
  using Values = Wide;
  static constexpr bool by_block = true;
  const u8* codes;
  const u32* factors;
  i64 rows, columns, tile_rows, tile_columns;

  __device__ __forceinline__ void load(Values& values, i64 row, i64 column) const {
    const uint4 sixteen = __ldg(reinterpret_cast<const uint4*>(codes + row * columns + column));
    const float factor = bits_float(__ldg(factors + row / tile_rows * ((columns + tile_columns - 1) / tile_columns) + column / tile_columns));
    const u32 words[4] = {sixteen.x, sixteen.y, sixteen.z, sixteen.w};
#pragma unroll
    for (int i = 0; i < 8; i++) {
      const float2 pair = decode_pair<from>(words[i / 2] >> (i % 2 * 16) & 0xffff);
      values.bits[2 * i] = float_bits(__fmul_rn(pair.x, factor));
      values.bits[2 * i + 1] = float_bits(__fmul_rn(pair.y, factor));
    }
  }
};

/** f32 bits of the largest magnitude. */
template <class Values>
__device__ __forceinline__ u32 amax_of(const Values& values) {
  u32 largest = 0;
#pragma unroll
  for (int i = 0; i < 16; i++) largest = most(largest, values[i] & magnitude_mask);
  return largest;
}

/** Sixteen codes of values with factors that `factor(i)` gives. */
template <FormatId format, class Values, class FactorAt>
__device__ __forceinline__ uint4 encode_each(const Values& values, bool divide, const FactorAt& factor) {
  u32 codes[4];
#pragma unroll
  for (int i = 0; i < 4; i++) {
    float scaled[4];
#pragma unroll
    for (int j = 0; j < 4; j++) {
      const float x = bits_float(values[4 * i + j]), f = factor(4 * i + j);
      scaled[j] = divide ? __fdiv_rn(x, f) : __fmul_rn(x, f);
    }
    codes[i] = encode_pair<format>(scaled[0], scaled[1]) | encode_pair<format>(scaled[2], scaled[3]) << 16;
  }
  return {codes[0], codes[1], codes[2], codes[3]};
}

template <FormatId format, class Values>
__device__ __forceinline__ uint4 encode_all(const Values& values, bool divide, float factor) {
  return encode_each<format>(values, divide, [factor](int) { return factor; });
}

/** Largest among 8 neighbouring lanes. */
__device__ __forceinline__ u32 eight_most(u32 value) {
#pragma unroll
  for (int step = 1; step < 8; step *= 2) value = most(value, __shfl_xor_sync(0xffffffff, value, step));
  return value;
}

__device__ __forceinline__ void write_codes(const QuantizeTarget& target, i64 index, uint4 codes) { *reinterpret_cast<uint4*>(static_cast<u8*>(target.codes) + index) = codes; }

/** One row of a 1x128 tile, eight lanes with 16 values each, to codes and a scale of a matrix with `width` columns. All lanes of a warp call it. */
template <FormatId format, class Values>
__device__ __forceinline__ void quantize_row(const Values& values, const Scheme& scheme, const QuantizeTarget& target, i64 row, i64 column, i64 rows, i64 width) {
  const TileScale scale = tile_scale(eight_most(amax_of(values)), scheme);
  if (column % 128 == 0 && row < rows) target.scales[row * target.row_step + column / 128 * target.column_step] = scale.stored;
  if (row < rows && column < width) write_codes(target, row * width + column, encode_all<format>(values, divides(scheme), fast_factor(scale.factor)));
}

/** 256 threads: 32 rows of 128 columns, eight lanes a row. */
template <FormatId format, class Source>
__global__ void __launch_bounds__(256) quantize_rows(Source source, Scheme scheme, QuantizeTarget target) {
  const i64 row = static_cast<i64>(blockIdx.x) * 32 + threadIdx.x / 8;
  const i64 column = static_cast<i64>(blockIdx.y) * 128 + threadIdx.x % 8 * 16;
  typename Source::Values values;
  values.clear();
  if (row < source.rows && column < source.columns) source.load(values, row, column);
  quantize_row<format>(values, scheme, target, row, column, source.rows, source.columns);
}

/** A thread's share of a 128x128 tile: 16 columns of four rows, zeros outside. */
template <class Source>
struct Share16 {
  typename Source::Values values[4];
  i64 column;

  __device__ __forceinline__ static i64 row_of(int i) { return static_cast<i64>(blockIdx.x) * 128 + i * 32 + threadIdx.x / 8; }
  __device__ __forceinline__ bool is_inside(const Source& source, int i) const { return row_of(i) < source.rows && column < source.columns; }
  __device__ __forceinline__ void load(const Source& source) {
    column = static_cast<i64>(blockIdx.y) * 128 + threadIdx.x % 8 * 16;
#pragma unroll
    for (int i = 0; i < 4; i++) {
      values[i].clear();
      if (is_inside(source, i)) source.load(values[i], row_of(i), column);
    }
  }
};

/** 256 threads: a 128x128 tile in registers. */
template <FormatId format, class Source>
__global__ void __launch_bounds__(256) quantize_blocks(Source source, Scheme scheme, QuantizeTarget target) {
  FP8LAB_SHARED(u32, warps, 8);
  Share16<Source> share;
  share.load(source);
  u32 amax = 0;
#pragma unroll
  for (int i = 0; i < 4; i++) amax = most(amax, amax_of(share.values[i]));
  amax = __reduce_max_sync(0xffffffff, amax);
  if (threadIdx.x % 32 == 0) warps[threadIdx.x / 32] = amax;
  __syncthreads();
  amax = __reduce_max_sync(0xffffffff, warps[threadIdx.x % 8]);
  const TileScale scale = tile_scale(amax, scheme);
  if (threadIdx.x == 0) target.scales[blockIdx.x * target.row_step + blockIdx.y * target.column_step] = scale.stored;
  const float factor = fast_factor(scale.factor);
#pragma unroll
  for (int i = 0; i < 4; i++) {
    if (share.is_inside(source, i)) write_codes(target, share.row_of(i) * source.columns + share.column, encode_all<format>(share.values[i], divides(scheme), factor));
  }
}

/** 256 threads: 128 tiles of 128x1 in registers, codes row-major; columns' largest meet in shared memory. */
template <FormatId format, class Source>
__global__ void __launch_bounds__(256) quantize_columns(Source source, Scheme scheme, QuantizeTarget target) {
  FP8LAB_SHARED(u32, warps, 8 * 128);
  FP8LAB_SHARED(float, factors, 128);
  Share16<Source> share;
  share.load(source);
  const int inner = threadIdx.x % 8 * 16;
#pragma unroll
  for (int j = 0; j < 16; j++) {
    u32 amax = 0;
#pragma unroll
    for (int i = 0; i < 4; i++) amax = most(amax, share.values[i][j] & magnitude_mask);
    // Lanes of the same columns lie 8 apart.
    amax = most(amax, __shfl_xor_sync(0xffffffff, amax, 8));
    amax = most(amax, __shfl_xor_sync(0xffffffff, amax, 16));
    if (threadIdx.x % 32 < 8) warps[threadIdx.x / 32 * 128 + inner + j] = amax;
  }
  __syncthreads();
  if (threadIdx.x < 128) {
    u32 amax = 0;
#pragma unroll
    for (int warp = 0; warp < 8; warp++) amax = most(amax, warps[warp * 128 + threadIdx.x]);
    const TileScale scale = tile_scale(amax, scheme);
    const i64 column = static_cast<i64>(blockIdx.y) * 128 + threadIdx.x;
    if (column < source.columns) target.scales[blockIdx.x * target.row_step + column * target.column_step] = scale.stored;
    factors[threadIdx.x] = fast_factor(scale.factor);
  }
  __syncthreads();
  float own[16];
#pragma unroll
  for (int j = 0; j < 16; j++) own[j] = factors[inner + j];
#pragma unroll
  for (int i = 0; i < 4; i++) {
    if (!share.is_inside(source, i)) continue;
    write_codes(target, share.row_of(i) * source.columns + share.column, encode_each<format>(share.values[i], divides(scheme), [&own](int j) { return own[j]; }));
  }
}

/** Starts the kernel of the scheme's tile: 1x128, 128x1 or, of most sources, 128x128. False for other tiles. */
template <class Source>
bool launch_source(const char* name, const Source& source, const Scheme& scheme, const QuantizeTarget& target, cudaStream_t stream, const std::string& where) {
  if (source.columns % 16 != 0 || source.columns > 65535 * 128) return false;
  const auto start = [&](auto e4m3, auto e5m2, i64 tile_rows) {
    const Grid grid{dim3(static_cast<unsigned>((source.rows + tile_rows - 1) / tile_rows), static_cast<unsigned>((source.columns + 127) / 128)), 256};
    launch(name, scheme.format == FormatId::e4m3 ? e4m3 : e5m2, grid, stream, where, source, scheme, target);
    return true;
  };
  if (scheme.tile_rows == 1 && scheme.tile_columns == 128) return start(quantize_rows<FormatId::e4m3, Source>, quantize_rows<FormatId::e5m2, Source>, 32);
  if constexpr (Source::by_block) {
    if (scheme.tile_rows == 128 && scheme.tile_columns == 128) return start(quantize_blocks<FormatId::e4m3, Source>, quantize_blocks<FormatId::e5m2, Source>, 128);
  }
  if (scheme.tile_rows == 128 && scheme.tile_columns == 1) return start(quantize_columns<FormatId::e4m3, Source>, quantize_columns<FormatId::e5m2, Source>, 128);
  return false;
}

}  // namespace fp8lab::cuda

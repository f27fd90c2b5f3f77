// Quantization at the speed of memory: bf16 to fp8 by 1x128 and 128x128 tiles, and both layouts of a matrix in one read.
// Scales come from the shared header; codes from the conversion instruction, which is the contract's nearest-even saturating rule.

#include "../../numerics/scale.h"
#include "api.h"
#include "launch.h"
#include "ptx.cuh"

namespace fp8lab::cuda {

namespace {

/** A tile's factor as one f32 operation. A shift is a multiplication here: exact, or so small that every fp8 code of it is zero. */
struct FastFactor {
  float value;
  bool divides;
};

__device__ __forceinline__ FastFactor fast_factor(const Factor& factor) {
  switch (factor.kind) {
    case FactorKind::divide: return {bits_float(factor.bits), true};
    case FactorKind::multiply: return {bits_float(factor.bits), false};
    case FactorKind::shift:
      return {bits_float(factor.exponent > -127 ? static_cast<u32>(factor.exponent + 127) << 23 : 0x00400000u), false};
    case FactorKind::none: return {1.0f, false};
    case FactorKind::nan: return {bits_float(nan_bits), false};
  }
  return {1.0f, false};
}

__device__ __forceinline__ float apply(const FastFactor& factor, float x) { return factor.divides ? __fdiv_rn(x, factor.value) : __fmul_rn(x, factor.value); }

/** Sixteen bf16 values of a row. */
struct Sixteen {
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
  /** f32 bits of the largest magnitude. */
  __device__ __forceinline__ u32 amax() const {
    u32 largest = 0;
#pragma unroll
    for (const u32 word : words) largest = most(largest, most((word << 16) & magnitude_mask, word & 0x7fff0000u));
    return largest;
  }
  template <FormatId format>
  __device__ __forceinline__ uint4 encode(const FastFactor& factor) const {
    u32 codes[4];
#pragma unroll
    for (int i = 0; i < 4; i++) {
      const u32 low = words[2 * i], high = words[2 * i + 1];
      codes[i] = encode_pair<format>(apply(factor, bits_float(low << 16)), apply(factor, bits_float(low & 0xffff0000u))) |
                 encode_pair<format>(apply(factor, bits_float(high << 16)), apply(factor, bits_float(high & 0xffff0000u))) << 16;
    }
    return {codes[0], codes[1], codes[2], codes[3]};
  }
};

/** Largest among 8 neighbouring lanes. */
__device__ __forceinline__ u32 eight_most(u32 value) {
#pragma unroll
  for (int step = 1; step < 8; step *= 2) value = most(value, __shfl_xor_sync(0xffffffff, value, step));
  return value;
}

/** 256 threads: 32 rows of 128 columns, eight lanes a row. */
template <FormatId format>
__global__ void __launch_bounds__(256) quantize_rows(const u16* x, i64 rows, i64 columns, Scheme scheme, QuantizeTarget target) {
  const i64 row = static_cast<i64>(blockIdx.x) * 32 + threadIdx.x / 8;
  const i64 column = static_cast<i64>(blockIdx.y) * 128 + threadIdx.x % 8 * 16;
  const bool inside = row < rows && column < columns;
  Sixteen values;
  if (inside) {
    values.load(x + row * columns + column);
  } else {
    values.clear();
  }
  const TileScale scale = tile_scale(eight_most(values.amax()), scheme);
  if (threadIdx.x % 8 == 0 && row < rows) target.scales[row * target.row_step + blockIdx.y * target.column_step] = scale.stored;
  if (inside) *reinterpret_cast<uint4*>(static_cast<u8*>(target.codes) + row * columns + column) = values.encode<format>(fast_factor(scale.factor));
}

/** 256 threads: a 128x128 tile in registers. */
template <FormatId format>
__global__ void __launch_bounds__(256) quantize_blocks(const u16* x, i64 rows, i64 columns, Scheme scheme, QuantizeTarget target) {
  FP8LAB_SHARED(u32, warps, 8);
  const i64 column = static_cast<i64>(blockIdx.y) * 128 + threadIdx.x % 8 * 16;
  Sixteen values[4];
  u32 amax = 0;
#pragma unroll
  for (int i = 0; i < 4; i++) {
    const i64 row = static_cast<i64>(blockIdx.x) * 128 + i * 32 + threadIdx.x / 8;
    if (row < rows && column < columns) {
      values[i].load(x + row * columns + column);
    } else {
      values[i].clear();
    }
  }
#pragma unroll
  for (int i = 0; i < 4; i++) amax = most(amax, values[i].amax());
  amax = __reduce_max_sync(0xffffffff, amax);
  if (threadIdx.x % 32 == 0) warps[threadIdx.x / 32] = amax;
  __syncthreads();
  amax = __reduce_max_sync(0xffffffff, warps[threadIdx.x % 8]);
  const TileScale scale = tile_scale(amax, scheme);
  if (threadIdx.x == 0) target.scales[blockIdx.x * target.row_step + blockIdx.y * target.column_step] = scale.stored;
  const FastFactor factor = fast_factor(scale.factor);
#pragma unroll
  for (int i = 0; i < 4; i++) {
    const i64 row = static_cast<i64>(blockIdx.x) * 128 + i * 32 + threadIdx.x / 8;
    if (row < rows && column < columns) *reinterpret_cast<uint4*>(static_cast<u8*>(target.codes) + row * columns + column) = values[i].encode<format>(factor);
  }
}

/** Words between rows of the staged tile: odd, so that a column's elements lie in different banks. */
constexpr int pitch = 65;

/** 256 threads: a 128x128 tile, rowwise codes and transposed codes with a scale a column. */
__global__ void __launch_bounds__(256) cast_transpose(const u16* x, i64 rows, i64 columns, Scheme scheme, QuantizeTarget rowwise, QuantizeTarget transposed) {
  FP8LAB_SHARED(u32, tile, 128 * pitch);
  const i64 first_row = static_cast<i64>(blockIdx.x) * 128, first_column = static_cast<i64>(blockIdx.y) * 128;
  const int inner = threadIdx.x % 8 * 16;
#pragma unroll
  for (int i = 0; i < 4; i++) {
    const int r = i * 32 + threadIdx.x / 8;
    Sixteen values;
    values.load(x + (first_row + r) * columns + first_column + inner);
    const TileScale scale = tile_scale(eight_most(values.amax()), scheme);
    if (inner == 0) rowwise.scales[(first_row + r) * rowwise.row_step + blockIdx.y * rowwise.column_step] = scale.stored;
    *reinterpret_cast<uint4*>(static_cast<u8*>(rowwise.codes) + (first_row + r) * columns + first_column + inner) =
        values.encode<FormatId::e4m3>(fast_factor(scale.factor));
#pragma unroll
    for (int j = 0; j < 8; j++) tile[r * pitch + inner / 2 + j] = values.words[j];
  }
  __syncthreads();
  const int column = threadIdx.x / 2, from = threadIdx.x % 2 * 64;
  const u16* staged = reinterpret_cast<const u16*>(tile);
  u32 amax = 0;
  for (int r = from; r < from + 64; r++) amax = most(amax, (static_cast<u32>(staged[r * 2 * pitch + column]) << 16) & magnitude_mask);
  amax = most(amax, __shfl_xor_sync(0xffffffff, amax, 1));
  const TileScale scale = tile_scale(amax, scheme);
  if (from == 0) transposed.scales[blockIdx.x * transposed.row_step + (first_column + column) * transposed.column_step] = scale.stored;
  const FastFactor factor = fast_factor(scale.factor);
  u8* target = static_cast<u8*>(transposed.codes) + (first_column + column) * rows + first_row + from;
#pragma unroll
  for (int chunk = 0; chunk < 4; chunk++) {
    u32 codes[4];
#pragma unroll
    for (int i = 0; i < 4; i++) {
      float values[4];
#pragma unroll
      for (int j = 0; j < 4; j++) values[j] = apply(factor, bits_float(static_cast<u32>(staged[(from + chunk * 16 + i * 4 + j) * 2 * pitch + column]) << 16));
      codes[i] = encode_pair<FormatId::e4m3>(values[0], values[1]) | encode_pair<FormatId::e4m3>(values[2], values[3]) << 16;
    }
    reinterpret_cast<uint4*>(target)[chunk] = {codes[0], codes[1], codes[2], codes[3]};
  }
}

}  // namespace

bool launch_quantize_fast(const MatrixView& x, const Scheme& scheme, const QuantizeTarget& target, cudaStream_t stream, const std::string& where) {
  const bool format = scheme.format == FormatId::e4m3 || scheme.format == FormatId::e5m2;
  const bool tile = scheme.tile_columns == 128 && (scheme.tile_rows == 1 || scheme.tile_rows == 128);
  const bool rule = scheme.rounding == Rounding::nearest_even && scheme.overflow == Overflow::saturate && scheme.recipe != Recipe::nvfp4;
  const bool source = x.format == FormatId::bf16 && x.factors == nullptr && x.columns % 16 == 0 && x.columns <= 65535 * 128;
  if (!format || !tile || !rule || !source) return false;
  const int rows = scheme.tile_rows == 1 ? 32 : 128;
  const dim3 grid(static_cast<unsigned>((x.rows + rows - 1) / rows), static_cast<unsigned>((x.columns + 127) / 128));
  const auto* lanes = static_cast<const u16*>(x.lanes);
  if (scheme.tile_rows == 1) {
    const auto kernel = scheme.format == FormatId::e4m3 ? quantize_rows<FormatId::e4m3> : quantize_rows<FormatId::e5m2>;
    launch("quantize", kernel, {grid, 256}, stream, where, lanes, x.rows, x.columns, scheme, target);
  } else {
    const auto kernel = scheme.format == FormatId::e4m3 ? quantize_blocks<FormatId::e4m3> : quantize_blocks<FormatId::e5m2>;
    launch("quantize", kernel, {grid, 256}, stream, where, lanes, x.rows, x.columns, scheme, target);
  }
  return true;
}

void launch_cast_transpose(const MatrixView& x, const Scheme& scheme, const QuantizeTarget& rowwise, const QuantizeTarget& transposed, cudaStream_t stream,
                           const std::string& where) {
  if (x.format != FormatId::bf16 || x.rows % 128 != 0 || x.columns % 128 != 0 || x.columns > 65535 * 128) {
    throw input_error("shape-not-supported", "cast-transpose takes bf16 with rows and columns in multiples of 128, not " + std::to_string(x.rows) + " x " +
                      std::to_string(x.columns), where, "pad to multiples of 128, or quantize twice");
  }
  const dim3 grid(static_cast<unsigned>(x.rows / 128), static_cast<unsigned>(x.columns / 128));
  launch("cast_transpose", cast_transpose, {grid, 256}, stream, where, static_cast<const u16*>(x.lanes), x.rows, x.columns, scheme, rowwise, transposed);
}

}  // namespace fp8lab::cuda

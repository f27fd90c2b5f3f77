// Kernels for every spec, from the shared numerics headers: exact, not fast. What the fast kernels are held against on the device.

#include "../../numerics/philox.h"
#include "../../numerics/scale.h"
#include "../../numerics/tensor_core.h"
#include "lanes.cuh"
#include "launch.h"

namespace fp8lab::cuda {

namespace {

__device__ i64 tile_index(const MatrixView& x, i64 row, i64 column) {
  return row / x.tile_rows * ((x.columns + x.tile_columns - 1) / x.tile_columns) + column / x.tile_columns;
}

/** Code of an element without the bits above its format. */
__device__ u32 read_code(const MatrixView& x, const Format& format, i64 row, i64 column) {
  const u32 lane = read_lane(x.lanes, x.width, row * x.columns + column);
  return format.bits == 32 ? lane : lane & ((1u << format.bits) - 1);
}

/** f32 bits of an element, dequantized where the matrix has factors. */
__device__ u32 read_bits(const MatrixView& x, const Format& format, i64 row, i64 column) {
  const u32 bits = decode(read_code(x, format, row, column), format);
  return x.factors == nullptr ? bits : mul_bits(bits, x.factors[tile_index(x, row, column)]);
}

/** Largest of the threads' values, in all of them. */
__device__ u32 block_most(u32 value) {
  FP8LAB_SHARED(u32, warps, 32);
  value = __reduce_max_sync(0xffffffff, value);
  if (threadIdx.x % 32 == 0) warps[threadIdx.x / 32] = value;
  __syncthreads();
  value = __reduce_max_sync(0xffffffff, threadIdx.x % 32 < blockDim.x / 32 ? warps[threadIdx.x % 32] : 0);
  __syncthreads();
  return value;
}

__global__ void matrix_amax(MatrixView x, u32* amax) {
  const Format format = format_of(x.format);
  u32 largest = 0;
  const i64 count = x.rows * x.columns;
  for (i64 i = static_cast<i64>(blockIdx.x) * blockDim.x + threadIdx.x; i < count; i += static_cast<i64>(gridDim.x) * blockDim.x) {
    largest = most(largest, read_bits(x, format, i / x.columns, i % x.columns) & magnitude_mask);
  }
  largest = block_most(largest);
  if (threadIdx.x == 0) atomicMax(amax, largest);
}

__global__ void finish_tensor_scale(u32* word) { *word = tensor_scale_bits(*word); }

__global__ void quantize_general(MatrixView x, Scheme scheme, QuantizeTarget target, const u32* tensor_scale) {
  const Format source = format_of(x.format);
  const Format format = format_of(scheme.format);
  const i64 tile_rows = scheme.tile_rows == 0 ? x.rows : scheme.tile_rows;
  const i64 tile_columns = scheme.tile_columns == 0 ? x.columns : scheme.tile_columns;
  const i64 grid_columns = (x.columns + tile_columns - 1) / tile_columns;
  const i64 tile_row = blockIdx.x / grid_columns, tile_column = blockIdx.x % grid_columns;
  const i64 row = tile_row * tile_rows, column = tile_column * tile_columns;
  const i64 rows = least(tile_rows, x.rows - row), columns = least(tile_columns, x.columns - column);
  u32 amax = 0;
  for (i64 i = threadIdx.x; i < rows * columns; i += blockDim.x) {
    amax = most(amax, read_bits(x, source, row + i / columns, column + i % columns) & magnitude_mask);
  }
  const TileScale scale = tile_scale(block_most(amax), scheme, tensor_scale == nullptr ? one_bits : *tensor_scale);
  if (threadIdx.x == 0) target.scales[tile_row * target.row_step + tile_column * target.column_step] = scale.stored;
  for (i64 i = threadIdx.x; i < rows * columns; i += blockDim.x) {
    const i64 r = row + i / columns, c = column + i % columns;
    const u64 index = static_cast<u64>(r * x.columns + c);
    const u32 random = scheme.rounding == Rounding::stochastic ? philox_word(scheme.seed, index, stream_rounding) : 0;
    const u32 code = quantize_bits(read_bits(x, source, r, c), scale.factor, format, scheme.rounding, scheme.overflow, random);
    write_lane(target.codes, target.code_width, static_cast<i64>(index), code);
  }
}

__global__ void dequantize_kernel(MatrixView x, void* out, int width, FormatId output) {
  const Format format = format_of(x.format);
  const Format target = format_of(output);
  const i64 count = x.rows * x.columns;
  for (i64 i = static_cast<i64>(blockIdx.x) * blockDim.x + threadIdx.x; i < count; i += static_cast<i64>(gridDim.x) * blockDim.x) {
    const u32 bits = read_bits(x, format, i / x.columns, i % x.columns);
    write_lane(out, width, i, output == FormatId::f32 ? bits : encode(bits, target, Rounding::nearest_even, Overflow::ieee));
  }
}

/** Codes of one row from `first` on. */
struct RowCodes {
  const MatrixView& x;
  const Format& format;
  i64 row;
  i64 first;
  __device__ u32 operator[](i64 k) const { return read_code(x, format, row, first + k); }
};

__global__ void gemm_general(GeneralGemm g, int width) {
  const i64 column = static_cast<i64>(blockIdx.x) * blockDim.x + threadIdx.x;
  const i64 row = static_cast<i64>(blockIdx.y) * blockDim.y + threadIdx.y;
  if (row >= g.a.rows || column >= g.b.rows) return;
  const Format format_a = format_of(g.a.format), format_b = format_of(g.b.format);
  const i64 k = g.a.columns;
  const i64 every = g.arithmetic.promote_every == 0 ? k : g.arithmetic.promote_every;
  float sum = 0;
  for (i64 start = 0; start < k; start += every) {
    const RowCodes a{g.a, format_a, row, start};
    const RowCodes b{g.b, format_b, column, start};
    const u32 partial = block_sum(g.arithmetic.model, format_a, format_b, least(every, k - start), a, b);
    const float scale_a = bits_float(g.a.factors[tile_index(g.a, row, start)]);
    const float scale_b = bits_float(g.b.factors[tile_index(g.b, column, start)]);
    sum = promote(g.arithmetic.combine, g.arithmetic.promote, sum, bits_float(partial), scale_a, scale_b);
  }
  u32 bits = canonical_bits(sum);
  if (g.c.lanes != nullptr) bits = add_bits(read_bits(g.c, format_of(g.c.format), row, column), bits);
  const u32 code = g.output == FormatId::f32 ? bits : encode(bits, format_of(g.output), Rounding::nearest_even, Overflow::ieee);
  write_lane(g.d, width, row * g.b.rows + column, code);
}

int output_width(FormatId output) { return output == FormatId::f32 ? 4 : 2; }

unsigned blocks_for(i64 count) { return static_cast<unsigned>(least<i64>((count + 255) / 256, 65536)); }

}  // namespace

void launch_quantize_general(const MatrixView& x, const Scheme& scheme, const QuantizeTarget& target, u32* tensor_scale, cudaStream_t stream,
                             const std::string& where) {
  if (tensor_scale != nullptr) {
    check(cudaMemsetAsync(tensor_scale, 0, 4, stream), "cudaMemsetAsync", where);
    launch("matrix_amax", matrix_amax, {blocks_for(x.rows * x.columns), 256}, stream, where, x, tensor_scale);
    launch("finish_tensor_scale", finish_tensor_scale, {1, 1}, stream, where, tensor_scale);
  }
  const i64 rows = scheme.tile_rows == 0 ? x.rows : scheme.tile_rows, columns = scheme.tile_columns == 0 ? x.columns : scheme.tile_columns;
  const i64 tiles = (x.rows + rows - 1) / rows * ((x.columns + columns - 1) / columns);
  if (tiles > 0x7fffffff) throw input_error("shape-not-supported", std::to_string(tiles) + " tiles are more than 2147483647", where, "quantize it in parts");
  const unsigned threads = rows * columns >= 4096 ? 1024 : rows * columns >= 256 ? 256 : 32;
  launch("quantize_general", quantize_general, {static_cast<unsigned>(tiles), threads}, stream, where, x, scheme, target, tensor_scale);
}

void launch_dequantize(const MatrixView& x, void* out, FormatId output, cudaStream_t stream, const std::string& where) {
  launch("dequantize", dequantize_kernel, {blocks_for(x.rows * x.columns), 256}, stream, where, x, out, output_width(output), output);
}

void launch_gemm_general(const GeneralGemm& gemm, cudaStream_t stream, const std::string& where) {
  const i64 y = (gemm.a.rows + 7) / 8;
  if (y > 65535) throw input_error("shape-not-supported", "m is " + std::to_string(gemm.a.rows) + ", this arithmetic runs up to 524280 rows", where, "split m");
  const dim3 grid(static_cast<unsigned>((gemm.b.rows + 31) / 32), static_cast<unsigned>(y));
  launch("gemm_general", gemm_general, {grid, dim3(32, 8)}, stream, where, gemm, output_width(gemm.output));
}

}  // namespace fp8lab::cuda

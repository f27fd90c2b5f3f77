// Launches of the fast quantizers of bf16 and of codes, and both layouts of a matrix in one read.

#include "quantize.cuh"

namespace fp8lab::cuda {

namespace {

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
    Narrow values;
    values.load(x + (first_row + r) * columns + first_column + inner);
    quantize_row<FormatId::e4m3>(values, scheme, rowwise, first_row + r, first_column + inner, rows, columns);
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
  const float factor = fast_factor(scale.factor);
  u8* target = static_cast<u8*>(transposed.codes) + (first_column + column) * rows + first_row + from;
#pragma unroll
  for (int chunk = 0; chunk < 4; chunk++) {
    Wide values;
#pragma unroll
    for (int i = 0; i < 16; i++) values.bits[i] = static_cast<u32>(staged[(from + chunk * 16 + i) * 2 * pitch + column]) << 16;
    reinterpret_cast<uint4*>(target)[chunk] = encode_all<FormatId::e4m3>(values, divides(scheme), factor);
  }
}

}  // namespace

bool launch_quantize_fast(const MatrixView& x, const Scheme& scheme, const QuantizeTarget& target, cudaStream_t stream, const std::string& where) {
  if (!is_fast_rule(scheme)) return false;
  if (x.format == FormatId::bf16 && x.factors == nullptr) {
    return launch_source("quantize", NarrowSource{static_cast<const u16*>(x.lanes), x.rows, x.columns}, scheme, target, stream, where);
  }
  if (x.factors == nullptr || (x.tile_columns % 16 != 0 && x.tile_columns < x.columns)) return false;
  const auto* codes = static_cast<const u8*>(x.lanes);
  const auto from = [&](auto source) { return launch_source("requantize", source, scheme, target, stream, where); };
  if (x.format == FormatId::e4m3) return from(CodeSource<FormatId::e4m3>{codes, x.factors, x.rows, x.columns, x.tile_rows, x.tile_columns});
  if (x.format == FormatId::e5m2) return from(CodeSource<FormatId::e5m2>{codes, x.factors, x.rows, x.columns, x.tile_rows, x.tile_columns});
  return false;
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

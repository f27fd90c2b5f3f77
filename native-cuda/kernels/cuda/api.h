#pragma once
// The kernels of the device, on device pointers. All throw fp8lab::Error; all are asynchronous on `stream`.

#include <cuda_runtime.h>

#include <string>
#include <vector>

#include "../../numerics/arithmetic.h"
#include "../../numerics/scheme.h"
#include "schedule.h"

namespace fp8lab::cuda {

/** Codes [rows, k] (of each group) whose rows begin every `stride` bytes, with f32 scales [group, k / 128, `scale_stride`] along rows (or 128-row blocks of B). */
struct GemmOperand {
  const u8* codes = nullptr;
  i64 stride = 0;
  const float* scales = nullptr;
  i64 scale_stride = 0;
  /** e4m3 or e5m2. */
  FormatId format = FormatId::e4m3;
};

/** A wgmma gemm; where an operand is e5m2 there are kernels for block scales with bf16 and for row scales with f32. `d` is [group, m, n] in bf16 or f32, rows every `d_stride` elements. See Problem for the groupings. */
struct GemmLaunch {
  Problem problem;
  GemmOperand a;
  GemmOperand b;
  ScalesB scales_b = ScalesB::block;
  void* d = nullptr;
  i64 d_stride = 0;
  FormatId output = FormatId::bf16;
  /** Rows a group is expected to have (`masked`), or 0 for m; the choice of tile alone depends on it. */
  int expected_rows = 0;
  /** Takes this tile instead of the best estimate. */
  const TileShape* tile = nullptr;
  /** What errors name. */
  std::string where = "gemm";
};

/** All tiles there are kernels for. */
const std::vector<TileShape>& gemm_tiles();
/** The kernel of a tile, for attributes; null where there is none. */
const void* gemm_kernel_of(const TileShape& tile);
/** `128x160, B shared, bf16`. */
std::string tile_text(const TileShape& tile);
/** The plan a launch takes on a device of so many multiprocessors; refuses sizes and alignments with the numbers and what fits. Pure host code. */
Plan plan_launch(const GemmLaunch& launch, int multiprocessors);
void launch_gemm(const GemmLaunch& launch, cudaStream_t stream);

/** A matrix as the general kernels read it: lanes of `width` bytes, with f32 factors [tile rows, tile columns] to dequantize by, or null. */
struct MatrixView {
  const void* lanes = nullptr;
  int width = 1;
  FormatId format = FormatId::f32;
  i64 rows = 0;
  i64 columns = 0;
  const u32* factors = nullptr;
  i64 tile_rows = 1;
  i64 tile_columns = 1;
};

/** Codes into lanes of `code_width` bytes; stored scales, a word each, at row * row_step + column * column_step of the tile. */
struct QuantizeTarget {
  void* codes = nullptr;
  int code_width = 1;
  u32* scales = nullptr;
  i64 row_step = 0;
  i64 column_step = 0;
};

/** Any scheme; one thread block a tile. `tensor_scale` is device memory for one word, for nvfp4, else null. */
void launch_quantize_general(const MatrixView& x, const Scheme& scheme, const QuantizeTarget& target, u32* tensor_scale, cudaStream_t stream, const std::string& where);
/** bf16 to e4m3 or e5m2 by 1x128 or 128x128 tiles, nearest-even, saturating; columns a multiple of 16. False where that does not hold. */
bool launch_quantize_fast(const MatrixView& x, const Scheme& scheme, const QuantizeTarget& target, cudaStream_t stream, const std::string& where);
/**
 * bf16 [rows, columns] to e4m3 twice in one read: by 1x128 into `rowwise`, and by 128x1, transposed [columns, rows], into `transposed`, whose scales lie at
 * row tile * row_step + column * column_step. Rows and columns are multiples of 128.
 */
void launch_cast_transpose(const MatrixView& x, const Scheme& scheme, const QuantizeTarget& rowwise, const QuantizeTarget& transposed, cudaStream_t stream,
                           const std::string& where);
/** fl(code * scale), rounded to `output`. */
void launch_dequantize(const MatrixView& x, void* out, FormatId output, cudaStream_t stream, const std::string& where);

/** Any arithmetic, one thread an output; `c` has no lanes where there is none. */
struct GeneralGemm {
  MatrixView a;
  MatrixView b;
  MatrixView c;
  Arithmetic arithmetic;
  FormatId output;
  void* d;
};
void launch_gemm_general(const GeneralGemm& gemm, cudaStream_t stream, const std::string& where);

}  // namespace fp8lab::cuda

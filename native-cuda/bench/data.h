#pragma once
// Operands made on the device: random values quantized by the project's own kernels.

#include "../kernels/cuda/api.h"
#include "../kernels/cuda/check.h"

namespace fp8lab::bench {

using cuda::Buffer;

/** bf16 values, nearly normal (sum of four uniforms), standard deviation 1. */
Buffer random_values(i64 count, u32 seed);
/** Random 32-bit words, 4 bytes each. */
Buffer random_words(i64 count, u32 seed);

/** `divide`, f32 scales, by tiles of `rows` x 128: DeepSeek-V3's own with e4m3. */
Scheme deepseek_scheme(i64 rows, FormatId format = FormatId::e4m3);

/** An operand of a gemm, [groups * rows, k] codes (k a multiple of 16), with scales [group][k / 128][scale_stride] by `tile_rows` x 128. */
struct Operand {
  Buffer codes;
  Buffer scales;
  i64 scale_stride = 0;
  FormatId format = FormatId::e4m3;

  cuda::GemmOperand view(i64 k) const { return {codes.as<u8>(), k, scales.as<float>(), scale_stride, format}; }
};

Operand random_operand(i64 groups, i64 rows, i64 k, i64 tile_rows, u32 seed, FormatId format = FormatId::e4m3);

}  // namespace fp8lab::bench

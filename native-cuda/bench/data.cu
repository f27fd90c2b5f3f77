#include "../numerics/philox.h"
#include "../kernels/cuda/launch.h"
#include "data.h"

namespace fp8lab::bench {

namespace {

__global__ void fill_values(u16* values, i64 count, u32 seed) {
  for (i64 i = static_cast<i64>(blockIdx.x) * blockDim.x + threadIdx.x; i < count; i += static_cast<i64>(gridDim.x) * blockDim.x) {
    const PhiloxBlock block = philox4x32(seed, 0, static_cast<u32>(i), static_cast<u32>(i >> 32), 0, 0);
    float sum = 0;
    for (const u32 word : block.words) sum += static_cast<float>(word >> 8) * 0x1p-24f - 0.5f;
    values[i] = static_cast<u16>(__float_as_uint(sum * 1.7320508f) >> 16);
  }
}

__global__ void fill_words(u32* words, i64 count, u32 seed) {
  for (i64 i = static_cast<i64>(blockIdx.x) * blockDim.x + threadIdx.x; i < count; i += static_cast<i64>(gridDim.x) * blockDim.x) {
    words[i] = philox_word(seed, static_cast<u64>(i), 0);
  }
}

unsigned blocks_for(i64 count) { return static_cast<unsigned>(least<i64>((count + 255) / 256, 1024)); }

}  // namespace

Buffer random_values(i64 count, u32 seed) {
  Buffer values(count * 2, "random values");
  cuda::launch("fill_values", fill_values, {blocks_for(count), 256}, nullptr, "random values", values.as<u16>(), count, seed);
  return values;
}

Buffer random_words(i64 count, u32 seed) {
  Buffer words(count * 4, "random words");
  cuda::launch("fill_words", fill_words, {blocks_for(count), 256}, nullptr, "random words", words.as<u32>(), count, seed);
  return words;
}

Scheme deepseek_scheme(i64 rows, FormatId format) {
  constexpr u32 floor = 0x38d1b717u;  // 1e-4
  return {format, rows, 128, FormatId::f32, Recipe::divide, floor, ScaleLayout::mn_major, Rounding::nearest_even, Overflow::saturate, 0};
}

Operand random_operand(i64 groups, i64 rows, i64 k, i64 tile_rows, u32 seed, FormatId format) {
  const i64 steps = (k + 127) / 128, count = (rows + tile_rows - 1) / tile_rows, stride = (count + 3) / 4 * 4;
  Operand made{Buffer(groups * rows * k, "operand"), Buffer(groups * steps * stride * 4, "operand scales"), stride, format};
  const Scheme scheme = deepseek_scheme(tile_rows, format);
  for (i64 group = 0; group < groups; group++) {
    const Buffer values = random_values(rows * k, seed + static_cast<u32>(group) * 7919u);
    const cuda::QuantizeTarget target{made.codes.as<u8>() + group * rows * k, 1, made.scales.as<u32>() + group * steps * stride, 1, stride};
    const cuda::MatrixView view{values.as(), 2, FormatId::bf16, rows, k, nullptr, 1, 1};
    if (!launch_quantize_fast(view, scheme, target, nullptr, "operand")) launch_quantize_general(view, scheme, target, nullptr, nullptr, "operand");
    cuda::check(cudaDeviceSynchronize(), "cudaDeviceSynchronize", "operand");
  }
  return made;
}

}  // namespace fp8lab::bench

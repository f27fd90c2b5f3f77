// What kernels share that make an operand ready for products: codes in, words for products out.
#include "kernels/gemm_pack_words.wgsl"
#include "kernels/input.wgsl"
#include "kernels/thread.wgsl"
#include "numerics/decode.wgsl"

struct Parameters {
  rows: u32,
  k: u32,
  // k between promotions, and the words that such a block takes: whole fused sums, or two k each.
  block: u32,
  block_words: u32,
  // Words a row, and groups of four rows.
  row_words: u32,
  row_groups: u32,
}

@group(0) @binding(0) var<uniform> parameters: Parameters;
@group(0) @binding(1) var<storage, read> codes: array<u32>;

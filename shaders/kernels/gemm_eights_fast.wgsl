// An operand of any format that bf16 holds made ready for products of texels: eight k a texel, zeros past a block's end.
#include "kernels/gemm_pack.wgsl"
#include "numerics/decode4_fast.wgsl"

// One thread writes one texel.
@compute @workgroup_size(WORKGROUP_SIZE)
fn pack_eights(
  @builtin(workgroup_id) workgroup: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) local: u32,
) {
  let thread = thread_index(workgroup, groups, local);
  let row = thread / parameters.row_words;
  let word = thread - row * parameters.row_words;
  if (row >= parameters.rows) {
    return;
  }
  let block = word / parameters.block_words;
  let within = 8u * (word - block * parameters.block_words);
  let start = block * parameters.block;
  let length = min(parameters.block, parameters.k - start);
  let first = row * parameters.k + start + within;
  let count = min(8u, length - within);
  var texel = vec4<u32>();
  if (WHOLE == 1u) {
    // A word of four codes lies in one row and one block.
    let last = (first + count - 1u) >> 2u;
    let low = pairs_of(codes[first >> 2u]);
    let high = pairs_of(codes[last]);
    texel = vec4(low, select(vec2(0u), high, count > 4u));
  } else {
    for (var i = 0u; i < count; i++) {
      let value = decode(input_lane(codes[(first + i) >> INPUT_LANE_SHIFT], first + i), INPUT);
      texel[i / 2u] |= select(value >> 16u, value, (i & 1u) == 1u);
    }
  }
  keep(row, word, 0u, 1u, texel);
}

// Four codes as two pairs of bf16.
fn pairs_of(word: u32) -> vec2<u32> {
  let values = decode4((vec4(word) >> vec4(0u, 8u, 16u, 24u)) & vec4(0xffu));
  return (values.xz >> vec2(16u)) | (values.yw & vec2(0xffff0000u));
}

// Codes times their tile's factor, four by a thread and neighbours by neighbours, where no tile begins within a word of codes.
#include "kernels/input.wgsl"
#include "kernels/thread.wgsl"
#include "kernels/tile.wgsl"
#include "numerics/decode4_fast.wgsl"
#include "kernels/store_words_fast.wgsl"

struct Parameters {
  band: Band,
}

@group(0) @binding(0) var<uniform> parameters: Parameters;
@group(0) @binding(1) var<storage, read> codes: array<u32>;
@group(0) @binding(2) var<storage, read> factors: array<f32>;

@compute @workgroup_size(WORKGROUP_SIZE)
fn dequantize_fours(
  @builtin(workgroup_id) workgroup: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) local: u32,
) {
  let i = thread_index(workgroup, groups, local);
  let band = parameters.band;
  if (4u * i >= band.count) {
    return;
  }
  let four = (vec4(codes[i]) >> vec4(0u, 8u, 16u, 24u)) & vec4(0xffu);
  let factor = factors[tile_of(place_of(4u * i, band), band)];
  store(i, bitcast<vec4<u32>>(bitcast<vec4<f32>>(decode4(four)) * factor));
}

// Codes times their tile's factor, rounded to the output format.
#include "kernels/input.wgsl"
#include "kernels/output.wgsl"
#include "kernels/thread.wgsl"
#include "kernels/tile.wgsl"
#include "numerics/decode.wgsl"
#include "numerics/encode.wgsl"
#include "numerics/float.wgsl"

struct Parameters {
  band: Band,
}

@group(0) @binding(0) var<uniform> parameters: Parameters;
@group(0) @binding(1) var<storage, read> codes: array<u32>;
@group(0) @binding(2) var<storage, read> factors: array<u32>;
@group(0) @binding(3) var<storage, read_write> x: array<u32>;

// One thread writes one word of values.
@compute @workgroup_size(WORKGROUP_SIZE)
fn dequantize_codes(
  @builtin(workgroup_id) workgroup: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) local: u32,
) {
  let word = thread_index(workgroup, groups, local);
  let first = word << OUTPUT_LANE_SHIFT;
  let band = parameters.band;
  if (first >= band.count) {
    return;
  }
  let last = min(first + OUTPUT_LANES, band.count);
  var place = place_of(first, band);
  var packed = 0u;
  for (var i = first; i < last; i++) {
    let bits = decode(input_lane(codes[i >> INPUT_LANE_SHIFT], i), INPUT);
    let value = float_mul(bits, factors[tile_of(place, band)]);
    packed |= encode(value, 0, OUTPUT, NEAREST_EVEN, TO_INFINITY, 0u) << ((i - first) * OUTPUT_LANE_BITS);
    place = next_place(place, band);
  }
  x[word] = packed;
}

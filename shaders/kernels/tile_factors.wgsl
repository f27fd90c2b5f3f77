// Stored scales to the single-precision factors that codes dequantize with, one word a tile.
#include "kernels/input.wgsl"
#include "kernels/thread.wgsl"
#include "numerics/decode.wgsl"
#include "numerics/float.wgsl"

struct Parameters {
  tiles: u32,
  // Second-level scale of the two-level recipe; TWO_LEVEL says whether there is one.
  tensor_scale: u32,
}

@group(0) @binding(0) var<uniform> parameters: Parameters;
@group(0) @binding(1) var<storage, read> stored: array<u32>;
@group(0) @binding(2) var<storage, read_write> factors: array<u32>;

@compute @workgroup_size(WORKGROUP_SIZE)
fn tile_factors(
  @builtin(workgroup_id) workgroup: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) local: u32,
) {
  let tile = thread_index(workgroup, groups, local);
  if (tile >= parameters.tiles) {
    return;
  }
  let lane = input_lane(stored[tile >> INPUT_LANE_SHIFT], tile);
  // A single-precision scale is used as it is stored, whatever NaN it may be.
  var factor = lane;
  if (INPUT_BITS < 32u) {
    factor = decode(lane, INPUT);
  }
  if (TWO_LEVEL == 1) {
    factor = float_mul(factor, parameters.tensor_scale);
  }
  factors[tile] = factor;
}

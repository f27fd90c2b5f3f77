// Tiles of one row under scales that are powers of two: amax, scale and codes of a tile by one thread, four values at a time.
#include "kernels/input.wgsl"
#include "kernels/output.wgsl"
#include "kernels/thread.wgsl"
#include "numerics/encode4.wgsl"
#include "numerics/power_scale.wgsl"
#include "kernels/four_words.wgsl"

struct Parameters {
  @size(32) rule: ScaleRule,
  tiles: u32,
  // Values of a tile, a multiple of four.
  length: u32,
}

@group(0) @binding(0) var<uniform> parameters: Parameters;
@group(0) @binding(2) var<storage, read_write> codes: array<u32>;
@group(0) @binding(3) var<storage, read_write> stored: array<u32>;

@compute @workgroup_size(WORKGROUP_SIZE)
fn quantize_rows(
  @builtin(workgroup_id) workgroup: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) local: u32,
) {
  let tile = thread_index(workgroup, groups, local);
  if (tile >= parameters.tiles) {
    return;
  }
  let steps = parameters.length / 4u;
  let start = tile * steps;
  var largest = vec4<u32>();
  for (var i = start; i < start + steps; i++) {
    largest = max(largest, four_values(i) & vec4(MAGNITUDE));
  }
  let amax = max(max(largest.x, largest.y), max(largest.z, largest.w));
  let scale = power_scale(amax, parameters.rule);
  stored[tile] = scale.stored;
  let marked = scale.factor == NAN_SHIFT;
  let exponent = i32(select(scale.factor, 0u, marked));
  let marks = vec4(select(0u, NAN_BITS, marked));
  for (var i = start; i < start + steps; i++) {
    let four = encode4(four_values(i) | marks, exponent) << vec4(0u, 8u, 16u, 24u);
    codes[i] = four.x | four.y | four.z | four.w;
  }
}

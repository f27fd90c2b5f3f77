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
  if (scale.factor == NAN_SHIFT) {
    quantize_any(start, steps, 0, vec4(NAN_BITS));
    // Formats of fewer exponent bits have few normal codes: seldom would a tile hold no others.
  } else if (OUTPUT_EXPONENT_BITS < 4 || !quantize_usual(start, steps, i32(scale.factor))) {
    quantize_any(start, steps, i32(scale.factor), vec4(0u));
  }
}

// Whether all values of a tile were usual; where not, what it wrote is wrong. A branch at every step costs some adapters more than a tile done twice.
fn quantize_usual(start: u32, steps: u32, exponent: i32) -> bool {
  let usual = usual_codes(exponent);
  var unusual = vec4<u32>();
  for (var i = start; i < start + steps; i++) {
    let four = four_values(i);
    unusual |= unusual4(four, usual);
    store(i, encode_usual4(four, usual));
  }
  return all(unusual == vec4(0u));
}

fn quantize_any(start: u32, steps: u32, exponent: i32, marks: vec4<u32>) {
  for (var i = start; i < start + steps; i++) {
    store(i, encode4(four_values(i) | marks, exponent));
  }
}

fn store(i: u32, four: vec4<u32>) {
  let places = four << vec4(0u, 8u, 16u, 24u);
  codes[i] = places.x | places.y | places.z | places.w;
}

// Values to codes, given the factor of every tile.
#include "kernels/input.wgsl"
#include "kernels/output.wgsl"
#include "kernels/thread.wgsl"
#include "kernels/tile.wgsl"
#include "numerics/decode.wgsl"
#include "numerics/encode.wgsl"
#include "numerics/factor.wgsl"
#include "numerics/float.wgsl"
#include "numerics/philox.wgsl"

struct Parameters {
  band: Band,
  // Philox key of stochastic rounding.
  seed: u32,
}

@group(0) @binding(0) var<uniform> parameters: Parameters;
@group(0) @binding(1) var<storage, read> x: array<u32>;
@group(0) @binding(2) var<storage, read> factors: array<u32>;
@group(0) @binding(3) var<storage, read_write> codes: array<u32>;

// One thread writes one word of codes.
@compute @workgroup_size(WORKGROUP_SIZE)
fn quantize_codes(
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
    let bits = decode(input_lane(x[i >> INPUT_LANE_SHIFT], i), INPUT);
    let code = quantize_value(bits, factors[tile_of(place, band)], random_of(i));
    packed |= code << ((i - first) * OUTPUT_LANE_BITS);
    place = next_place(place, band);
  }
  codes[word] = packed;
}

fn random_of(i: u32) -> u32 {
  if (ROUNDING == STOCHASTIC) {
    return philox_word(parameters.seed, parameters.band.first_element + i, ROUNDING_STREAM);
  }
  return 0u;
}

fn quantize_value(bits: u32, factor: u32, random: u32) -> u32 {
  var value = bits;
  var exponent = 0;
  if (FACTOR == SHIFT_BY) {
    value = select(bits, NAN_BITS, factor == NAN_SHIFT);
    exponent = i32(select(factor, 0u, factor == NAN_SHIFT));
  } else if (FACTOR == DIVIDE_BY) {
    value = float_div(bits, factor);
  } else {
    value = float_mul(bits, factor);
  }
  return encode(value, exponent, OUTPUT, ROUNDING, OVERFLOW, random);
}

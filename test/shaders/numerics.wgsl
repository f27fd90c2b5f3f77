// One thread an element over the pure functions of shaders/numerics, for the tests alone.
#include "kernels/thread.wgsl"
#include "numerics/float4.wgsl"
#include "numerics/scale.wgsl"
#include "numerics/philox.wgsl"
#include "numerics/wide.wgsl"

struct Parameters {
  count: u32,
  rounding: u32,
  overflow: u32,
  exponent: i32,
  seed: u32,
  @align(16) rule: ScaleRule,
}

const TESTED = Format(
  TESTED_BITS, TESTED_EXPONENT_BITS, TESTED_MANTISSA_BITS, TESTED_BIAS, TESTED_SPECIALS, TESTED_MAX_CODE, TESTED_NAN_CODE,
  TESTED_INF_CODE,
);

@group(0) @binding(0) var<uniform> parameters: Parameters;
@group(0) @binding(1) var<storage, read> input: array<u32>;
@group(0) @binding(2) var<storage, read_write> output: array<u32>;

@compute @workgroup_size(WORKGROUP_SIZE)
fn encode_each(
  @builtin(workgroup_id) workgroup: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) local: u32,
) {
  let i = thread_index(workgroup, groups, local);
  if (i < parameters.count) {
    var random = 0u;
    if (parameters.rounding == STOCHASTIC) {
      random = philox_word(parameters.seed, i, ROUNDING_STREAM);
    }
    output[i] = encode(input[i], parameters.exponent, TESTED, parameters.rounding, parameters.overflow, random);
  }
}

@compute @workgroup_size(WORKGROUP_SIZE)
fn decode_each(
  @builtin(workgroup_id) workgroup: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) local: u32,
) {
  let i = thread_index(workgroup, groups, local);
  if (i < parameters.count) {
    output[i] = decode(input[i], TESTED);
  }
}

// Lanes of a format to values, a word of them read by each of its lanes.
@compute @workgroup_size(WORKGROUP_SIZE)
fn widen_each(
  @builtin(workgroup_id) workgroup: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) local: u32,
) {
  let i = thread_index(workgroup, groups, local);
  if (i < parameters.count) {
    output[i] = wide_value(input[i >> wide_shift(TESTED)], i, TESTED);
  }
}

@compute @workgroup_size(WORKGROUP_SIZE)
fn narrow_each(
  @builtin(workgroup_id) workgroup: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) local: u32,
) {
  let i = thread_index(workgroup, groups, local);
  if (i < parameters.count) {
    output[i] = wide_code(input[i], i, TESTED);
  }
}

// Three operands in, four results out.
@compute @workgroup_size(WORKGROUP_SIZE)
fn arithmetic_each(
  @builtin(workgroup_id) workgroup: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) local: u32,
) {
  let i = thread_index(workgroup, groups, local);
  if (i < parameters.count) {
    let a = input[3u * i];
    let b = input[3u * i + 1u];
    let c = input[3u * i + 2u];
    output[4u * i] = float_add(a, b);
    output[4u * i + 1u] = float_mul(a, b);
    output[4u * i + 2u] = float_div(a, b);
    output[4u * i + 3u] = float_fma(a, b, c);
  }
}

// The operands of four lanes in, each as three words; four sums, four products and four fused ones out.
@compute @workgroup_size(WORKGROUP_SIZE)
fn arithmetic_of_four(
  @builtin(workgroup_id) workgroup: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) local: u32,
) {
  let i = thread_index(workgroup, groups, local);
  if (i < parameters.count) {
    let k = 12u * i;
    let a = vec4(input[k], input[k + 3u], input[k + 6u], input[k + 9u]);
    let b = vec4(input[k + 1u], input[k + 4u], input[k + 7u], input[k + 10u]);
    let c = vec4(input[k + 2u], input[k + 5u], input[k + 8u], input[k + 11u]);
    let sums = float_fma4(a, vec4(ONE_BITS), b);
    let products = float_fma4(a, b, (a ^ b) & vec4(SIGN_BIT));
    let fused = float_fma4(a, b, c);
    for (var lane = 0u; lane < 4u; lane++) {
      output[k + lane] = sums[lane];
      output[k + 4u + lane] = products[lane];
      output[k + 8u + lane] = fused[lane];
    }
  }
}

// Six words in (key, counter), four out.
@compute @workgroup_size(WORKGROUP_SIZE)
fn philox_each(
  @builtin(workgroup_id) workgroup: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) local: u32,
) {
  let i = thread_index(workgroup, groups, local);
  if (i < parameters.count) {
    let at = 6u * i;
    let words = philox(vec2(input[at], input[at + 1u]), vec4(input[at + 2u], input[at + 3u], input[at + 4u], input[at + 5u]));
    for (var lane = 0u; lane < 4u; lane++) {
      output[4u * i + lane] = words[lane];
    }
  }
}

// amax and tensor scale in, stored scale and factor out.
@compute @workgroup_size(WORKGROUP_SIZE)
fn scale_each(
  @builtin(workgroup_id) workgroup: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) local: u32,
) {
  let i = thread_index(workgroup, groups, local);
  if (i < parameters.count) {
    let scale = tile_scale(input[2u * i], parameters.rule, input[2u * i + 1u]);
    output[2u * i] = scale.stored;
    output[2u * i + 1u] = scale.factor;
  }
}

// Parts of aligned sums that do not depend on their width. Vectors hold four columns of one row. The including kernel has the model in its parameters.
#include "numerics/operand.wgsl"
#include "numerics/step_output.wgsl"

// All ones where the operand is negative.
fn sign_masks(words: vec4<u32>) -> vec4<u32> {
  return vec4(0u) - ((words >> vec4(12u)) & vec4(1u));
}

// The exponent of the accumulator in the place where a sum of two operand words has its own.
fn exponent_word(c: vec4<u32>) -> vec4<u32> {
  let field = max((c >> vec4(23u)) & vec4(0xffu), vec4(1u));
  return select((field + vec4(u32(2 * OPERAND_BIAS - 127))) << vec4(16u), vec4(0u), (c & vec4(MAGNITUDE)) == vec4(0u));
}

// The accumulator's significand, 23 fraction bits; subnormals are not normalized.
fn accumulator_significand(c: vec4<u32>) -> vec4<u32> {
  let normal = (c & vec4(INFINITY_BITS)) != vec4(0u);
  return (c & vec4(0x7fffffu)) | select(vec4(0u), vec4(0x800000u), normal);
}

// Binary digits that a term lies below the largest exponent.
fn distance_below(top: vec4<u32>, exponent: vec4<u32>) -> vec4<u32> {
  return (top - exponent) >> vec4(16u);
}

// Exponents of the last bits of aligned sums.
fn last_exponent(top: vec4<u32>) -> vec4<i32> {
  return vec4<i32>(top >> vec4(16u)) - vec4(2 * OPERAND_BIAS + i32(parameters.fraction_bits));
}

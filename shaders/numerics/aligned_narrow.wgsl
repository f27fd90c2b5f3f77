// Aligned sums that fit 32 bits: FP8, FP6 and FP4 products on Hopper and Ada.
#include "numerics/aligned.wgsl"

// Two's complement sums of four columns, in units of the last kept bit.
alias Sums = vec4<u32>;

// A product's significand has A_MANTISSA_BITS + B_MANTISSA_BITS fraction bits; it is widened to FRACTION_BITS before it is aligned.
fn widened(significands: vec4<u32>) -> vec4<u32> {
  return significands << vec4(u32(FRACTION_BITS - A_MANTISSA_BITS - B_MANTISSA_BITS));
}

fn add_sums(x: Sums, y: Sums) -> Sums {
  return x + y;
}

// The magnitude is shifted, then the sign applied: truncation is toward zero. A zero product may be shifted by anything.
fn aligned_product(magnitude: vec4<u32>, exponent: vec4<u32>, top: vec4<u32>, mask: vec4<u32>) -> Sums {
  let distance = min(distance_below(top, exponent), vec4(31u));
  return ((magnitude >> distance) ^ mask) - mask;
}

// The accumulator in units of 2^-FRACTION_BITS of the largest exponent.
fn aligned_value(c: vec4<u32>, top: vec4<u32>) -> Sums {
  let significand = accumulator_significand(c);
  let distance = distance_below(top, exponent_word(c));
  var magnitude: vec4<u32>;
  if (FRACTION_BITS >= 23) {
    magnitude = (significand << vec4(u32(max(FRACTION_BITS - 23, 0)))) >> min(distance, vec4(31u));
  } else {
    magnitude = significand >> min(distance + vec4(u32(max(23 - FRACTION_BITS, 0))), vec4(31u));
  }
  let mask = vec4(0u) - (c >> vec4(31u));
  return (magnitude ^ mask) - mask;
}

fn rounded(sums: Sums, top: vec4<u32>) -> vec4<u32> {
  let mask = vec4(0u) - (sums >> vec4(31u));
  let magnitude = (sums ^ mask) - mask;
  let zeros = countLeadingZeros(magnitude);
  let exponent = last_exponent(top) + vec4(31) - vec4<i32>(zeros);
  return step_output(mask, exponent, magnitude << (zeros & vec4(31u)));
}

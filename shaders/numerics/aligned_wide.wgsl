// Aligned sums wider than 32 bits: 25 fraction bits and more, bf16 and f16 products, formats whose products have more bits than are kept.
#include "numerics/aligned.wgsl"

// Sums of four columns in units of the last kept bit, as high * 2^16 + low, both two's complement: up to 2^10 terms of 37 bits.
struct Sums {
  low: vec4<u32>,
  high: vec4<u32>,
}

fn add_sums(x: Sums, y: Sums) -> Sums {
  return Sums(x.low + y.low, x.high + y.high);
}

fn aligned_product(magnitude: vec4<u32>, exponent: vec4<u32>, top: vec4<u32>, mask: vec4<u32>) -> Sums {
  let distance = distance_below(top, exponent);
  // Up to 29 fraction bits, none of them a product's own: terms stay below 2^31, so that a distance past 31 leaves nothing.
  if (SHORT_TERMS == 1) {
    let term = (magnitude << vec4(u32(parameters.up))) >> min(distance, vec4(31u));
    return signed_sums(term & vec4(0xffffu), term >> vec4(16u), mask);
  }
  return shifted(magnitude, vec4(parameters.up) - vec4<i32>(min(distance, vec4(96u))), mask);
}

fn aligned_value(c: vec4<u32>, top: vec4<u32>) -> Sums {
  let distance = distance_below(top, exponent_word(c));
  let mask = vec4(0u) - (c >> vec4(31u));
  return shifted(accumulator_significand(c), vec4(i32(parameters.fraction_bits) - 23) - vec4<i32>(min(distance, vec4(96u))), mask);
}

fn signed_sums(low: vec4<u32>, high: vec4<u32>, mask: vec4<u32>) -> Sums {
  return Sums((low ^ mask) - mask, (high ^ mask) - mask);
}

// A magnitude of at most 24 bits times 2^left, cut to an integer, with a sign. left <= 35.
fn shifted(magnitude: vec4<u32>, left: vec4<i32>, mask: vec4<u32>) -> Sums {
  let right = magnitude >> vec4<u32>(clamp(-left, vec4(0), vec4(31)));
  let up = vec4<u32>(max(left, vec4(0)));
  let near = up < vec4(16u);
  let near_low = (magnitude << min(up, vec4(15u))) & vec4(0xffffu);
  let near_high = magnitude >> (vec4(16u) - min(up, vec4(15u)));
  let far_high = magnitude << (max(up, vec4(16u)) - vec4(16u));
  let low = select(select(vec4(0u), near_low, near), right & vec4(0xffffu), left <= vec4(0));
  let high = select(select(far_high, near_high, near), right >> vec4(16u), left <= vec4(0));
  return signed_sums(low, high, mask);
}

fn rounded(sums: Sums, top: vec4<u32>) -> vec4<u32> {
  // high * 2^16 + low in 64 bits.
  let shifted_high = sums.high << vec4(16u);
  let low = shifted_high + sums.low;
  let carry = vec4<u32>(low < shifted_high);
  let high = vec4<u32>(vec4<i32>(sums.high) >> vec4(16u)) + vec4<u32>(vec4<i32>(sums.low) >> vec4(31u)) + carry;
  let mask = vec4(0u) - (high >> vec4(31u));
  let magnitude_low = (low ^ mask) - mask;
  let magnitude_high = (high ^ mask) + (vec4<u32>(magnitude_low == vec4(0u)) & mask);
  // The leading bit goes to the top of the high word; what falls below it leaves a mark.
  let whole = magnitude_high == vec4(0u);
  let first = select(magnitude_high, magnitude_low, whole);
  let second = select(magnitude_low, vec4(0u), whole);
  let zeros = countLeadingZeros(first) & vec4(31u);
  let significand = (first << zeros) | ((second >> vec4(1u)) >> (vec4(31u) - zeros));
  let rest = vec4<u32>((second << zeros) != vec4(0u));
  let position = select(vec4(63), vec4(31), whole) - vec4<i32>(zeros);
  return step_output(mask, last_exponent(top) + position, significand | rest);
}

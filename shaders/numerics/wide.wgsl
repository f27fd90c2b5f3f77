// Lanes of bf16, f16 and f32 as single-precision bits, and back: exact, or nearest even and to infinity past the largest; NaN canonical. Formats come
// as values, so that one compiled kernel serves all three, and without branches, which would cost some adapters more.
#include "numerics/format.wgsl"

// Lanes of a word: 2^shift of them.
fn wide_shift(format: Format) -> u32 {
  return select(1u, 0u, format.bits == 32u);
}

// The value of element `index`, which lies in word index >> wide_shift.
fn wide_value(word: u32, index: u32, format: Format) -> u32 {
  let upper = select(word * 0x10000u, word & 0xffff0000u, (index & 1u) == 1u);
  let bits = select(select(upper, value_of_half(upper), format.exponent_bits == 5u), word, format.bits == 32u);
  return select(bits, NAN_BITS, (bits & MAGNITUDE) > INFINITY_BITS);
}

// Of an f16 in the upper half of a word.
fn value_of_half(upper: u32) -> u32 {
  let code = (upper & MAGNITUDE) / 0x10000u;
  let normal = code * 0x2000u + select(0x38000000u, 0x70000000u, code >= 0x7c00u);
  // A subnormal is a whole number of 2^-24. Its leading one, brought to where f32 leaves it out, adds itself to the exponent field.
  let up = countLeadingZeros(code) - 8u;
  let subnormal = select((125u - up) * 0x800000u + (code << (up & 31u)), 0u, code == 0u);
  return (upper & SIGN_BIT) | select(normal, subnormal, code < 0x400u);
}

// The code of a value where element `index` has it in its word.
fn wide_code(bits: u32, index: u32, format: Format) -> u32 {
  let magnitude = bits & MAGNITUDE;
  let rounded = magnitude + select(0x7fffu, 0x8000u, (bits & 0x10000u) != 0u);
  let upper = select(rounded, half_of_value(magnitude), format.exponent_bits == 5u) & 0x7fff0000u;
  let code = select((bits & SIGN_BIT) | select(upper, magnitude, format.bits == 32u), NAN_BITS, magnitude > INFINITY_BITS);
  let half = select(code / 0x10000u, code & 0xffff0000u, (index & 1u) == 1u);
  return select(half, code, format.bits == 32u);
}

// An f16 in the upper half of a word.
fn half_of_value(magnitude: u32) -> u32 {
  let field = i32(magnitude >> 23u);
  // Places that go: more below the normal range, where nothing is left after 25.
  let places = u32(clamp(126 - field, 13, 25));
  let significand = (magnitude & 0x7fffffu) | 0x800000u;
  let rounded = (significand + (1u << (places - 1u)) - 1u + ((significand >> places) & 1u)) >> places;
  // The leading one adds itself to the exponent field.
  return min(u32(max(field - 113, 0)) * 0x400u + rounded, 0x7c00u) * 0x10000u;
}

// Four values at once to codes of a small format, nearest even and saturating: encode() without its branches and without a shift that is
// another in every lane, which some adapters do lane by lane. OUTPUT, of at most 8 bits and with a sign, is the including kernel's.
#include "numerics/encode.wgsl"

const ENCODE4_DROP = 23u - u32(OUTPUT_MANTISSA_BITS);

// The last kept place, and half of it less one: with the place itself added, ties go to even.
const ENCODE4_PLACE = 1u << ENCODE4_DROP;
const ENCODE4_HALF = ENCODE4_PLACE / 2u - 1u;

// The codes of (the values of bits) * 2^exponents, which are below 2^20 in magnitude.
fn encode4(bits: vec4<u32>, exponents: vec4<i32>) -> vec4<u32> {
  let magnitude = bits & vec4(MAGNITUDE);
  let field = magnitude >> vec4(23u);
  let biased = vec4<i32>(field) + exponents + vec4(i32(OUTPUT_BIAS) - 127);
  // Places below the least normal; at seven nothing is left of a significand.
  let places = vec4<u32>(clamp(vec4(1) - biased, vec4(0), vec4(7)));
  var kept = (magnitude & vec4(0x7fffffu)) | vec4(0x800000u);
  kept = select(kept, (kept >> vec4(1u)) | (kept & vec4(1u)), (places & vec4(1u)) != vec4(0u));
  kept = select(kept, (kept >> vec4(2u)) | lost(kept, 3u), (places & vec4(2u)) != vec4(0u));
  kept = select(kept, (kept >> vec4(4u)) | lost(kept, 15u), (places & vec4(4u)) != vec4(0u));
  let base = vec4<u32>(clamp(biased - vec4(1), vec4(0), vec4(1i << OUTPUT_EXPONENT_BITS))) << vec4(u32(OUTPUT_MANTISSA_BITS));
  let rounded = (kept + vec4(ENCODE4_HALF) + ((kept >> vec4(ENCODE4_DROP)) & vec4(1u))) >> vec4(ENCODE4_DROP);
  let sign = (bits >> vec4(31u)) << vec4(OUTPUT_BITS - 1u);
  var codes = sign | min(base + rounded, vec4(u32(OUTPUT_MAX_CODE)));
  // Zeros, subnormals, Inf and NaN.
  let unusual = field - vec4(1u) >= vec4(254u);
  codes = select(codes, sign, magnitude == vec4(0u));
  if (any(unusual & (magnitude != vec4(0u)))) {
    for (var i = 0u; i < 4u; i++) {
      if (unusual[i]) {
        codes[i] = encode(bits[i], exponents[i], OUTPUT, NEAREST_EVEN, SATURATE, 0u);
      }
    }
  }
  return codes;
}

fn lost(value: vec4<u32>, mask: u32) -> vec4<u32> {
  return select(vec4(0u), vec4(1u), (value & vec4(mask)) != vec4(0u));
}

// For values that are zeros, or normal both as they are and as codes: the place of their last bit is the same for all. What tiles' exponents make of that:
struct UsualCodes {
  // Least bits of a normal code.
  least: vec4<i32>,
  // What is taken from a value's rounded bits to give its code, where it arises.
  bias: vec4<u32>,
}

fn usual_codes(exponents: vec4<i32>) -> UsualCodes {
  let rise = vec4(i32(127 - OUTPUT_BIAS)) - exponents;
  let least = clamp(rise + vec4(1), vec4(1), vec4(255)) << vec4(23u);
  return UsualCodes(least, vec4<u32>(rise) << vec4(23u));
}

// Nonzero where a value is not one of those.
fn unusual4(bits: vec4<u32>, usual: UsualCodes) -> vec4<u32> {
  let magnitude = vec4<i32>(bits & vec4(MAGNITUDE));
  return vec4<u32>(select(vec4(0), magnitude, (magnitude < usual.least) | (magnitude >= vec4(i32(INFINITY_BITS)))));
}

// The codes where they arise, above ENCODE4_DROP zeros: adapters that shift lane by lane do it once for a word of codes, in packed_usual4.
fn encode_usual4(bits: vec4<u32>, usual: UsualCodes) -> vec4<u32> {
  let magnitude = bits & vec4(MAGNITUDE);
  let odd = (magnitude & vec4(ENCODE4_PLACE)) != vec4(0u);
  let rounded = (magnitude + select(vec4(ENCODE4_HALF), vec4(ENCODE4_HALF + 1u), odd)) & vec4(~(ENCODE4_PLACE - 1u));
  let largest = vec4(i32(OUTPUT_MAX_CODE) << ENCODE4_DROP);
  let codes = select(min(vec4<i32>(rounded - usual.bias), largest), vec4(0), magnitude == vec4(0u));
  let sign = select(vec4(0u), vec4(ENCODE4_PLACE << (OUTPUT_BITS - 1u)), vec4<i32>(bits) < vec4(0));
  return vec4<u32>(codes) | sign;
}

fn packed_usual4(codes: vec4<u32>) -> u32 {
  let low = (codes.x >> ENCODE4_DROP) | (codes.y >> (ENCODE4_DROP - 8u));
  return low | (codes.z >> (ENCODE4_DROP - 16u)) | (codes.w << (24u - ENCODE4_DROP));
}

// Four values at once to codes of a small format, nearest even and saturating: encode() without its branches and without a shift that is
// another in every lane, which some adapters do lane by lane. Formats have at most 8 bits and a sign.
#include "numerics/encode.wgsl"

// The codes of (the values of bits) * 2^exponents, which are below 2^20 in magnitude.
fn encode4(bits: vec4<u32>, exponents: vec4<i32>, format: Format) -> vec4<u32> {
  let drop = 23u - format.mantissa_bits;
  // Half the last kept place less one: with the place itself added, ties go to even.
  let half = (1u << (drop - 1u)) - 1u;
  let magnitude = bits & vec4(MAGNITUDE);
  let field = magnitude >> vec4(23u);
  let biased = vec4<i32>(field) + exponents + vec4(format.bias - 127);
  // Places below the least normal; at seven nothing is left of a significand.
  let places = vec4<u32>(clamp(vec4(1) - biased, vec4(0), vec4(7)));
  var kept = (magnitude & vec4(0x7fffffu)) | vec4(0x800000u);
  kept = select(kept, (kept >> vec4(1u)) | (kept & vec4(1u)), (places & vec4(1u)) != vec4(0u));
  kept = select(kept, (kept >> vec4(2u)) | lost(kept, 3u), (places & vec4(2u)) != vec4(0u));
  kept = select(kept, (kept >> vec4(4u)) | lost(kept, 15u), (places & vec4(4u)) != vec4(0u));
  let base = vec4<u32>(clamp(biased - vec4(1), vec4(0), vec4(1i << format.exponent_bits))) << vec4(format.mantissa_bits);
  let rounded = (kept + vec4(half) + ((kept >> vec4(drop)) & vec4(1u))) >> vec4(drop);
  let sign = (bits >> vec4(31u)) << vec4(format.bits - 1u);
  var codes = sign | min(base + rounded, vec4(format.max_code));
  // Zeros, subnormals, Inf and NaN.
  let unusual = field - vec4(1u) >= vec4(254u);
  codes = select(codes, sign, magnitude == vec4(0u));
  if (any(unusual & (magnitude != vec4(0u)))) {
    for (var i = 0u; i < 4u; i++) {
      if (unusual[i]) {
        codes[i] = encode(bits[i], exponents[i], format, NEAREST_EVEN, SATURATE, 0u);
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
  // Zeros below a code where it arises, the last kept place above them, the largest code there, and the sign.
  drop: u32,
  place: u32,
  largest: i32,
  sign: u32,
}

fn usual_codes(exponents: vec4<i32>, format: Format) -> UsualCodes {
  let rise = vec4(127 - format.bias) - exponents;
  let least = clamp(rise + vec4(1), vec4(1), vec4(255)) << vec4(23u);
  let drop = 23u - format.mantissa_bits;
  let place = 1u << drop;
  return UsualCodes(least, vec4<u32>(rise) << vec4(23u), drop, place, i32(format.max_code << drop), place << (format.bits - 1u));
}

// Nonzero where a value is not one of those.
fn unusual4(bits: vec4<u32>, usual: UsualCodes) -> vec4<u32> {
  let magnitude = vec4<i32>(bits & vec4(MAGNITUDE));
  return vec4<u32>(select(vec4(0), magnitude, (magnitude < usual.least) | (magnitude >= vec4(i32(INFINITY_BITS)))));
}

// The codes where they arise: adapters that shift lane by lane do it once for a word of codes, in packed_usual4.
fn encode_usual4(bits: vec4<u32>, usual: UsualCodes) -> vec4<u32> {
  let magnitude = bits & vec4(MAGNITUDE);
  let odd = (magnitude & vec4(usual.place)) != vec4(0u);
  // Half the last kept place, and less one where ties go down to even.
  let half = usual.place / 2u;
  let rounded = (magnitude + select(vec4(half - 1u), vec4(half), odd)) & vec4(~(usual.place - 1u));
  let codes = select(min(vec4<i32>(rounded - usual.bias), vec4(usual.largest)), vec4(0), magnitude == vec4(0u));
  let sign = select(vec4(0u), vec4(usual.sign), vec4<i32>(bits) < vec4(0));
  return vec4<u32>(codes) | sign;
}

fn packed_usual4(codes: vec4<u32>, usual: UsualCodes) -> u32 {
  let drop = usual.drop;
  return (codes.x >> drop) | (codes.y >> (drop - 8u)) | (codes.z >> (drop - 16u)) | (codes.w << (24u - drop));
}

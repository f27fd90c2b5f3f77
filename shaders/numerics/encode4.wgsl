// Four values at once to codes of a small format, nearest even and saturating: encode() without its branches and without a shift that is
// another in every lane, which some adapters do lane by lane. OUTPUT, of at most 8 bits and with a sign, is the including kernel's.
#include "numerics/encode.wgsl"

const ENCODE4_DROP = 23u - u32(OUTPUT_MANTISSA_BITS);

// Half the last kept place, less one: with the place itself added, ties go to even.
const ENCODE4_HALF = (1u << (ENCODE4_DROP - 1u)) - 1u;

// The codes of (the values of bits) * 2^exponent; |exponent| < 2^20.
fn encode4(bits: vec4<u32>, exponent: i32) -> vec4<u32> {
  let magnitude = bits & vec4(MAGNITUDE);
  let field = magnitude >> vec4(23u);
  let biased = vec4<i32>(field) + vec4(exponent - 127 + i32(OUTPUT_BIAS));
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
        codes[i] = encode(bits[i], exponent, OUTPUT, NEAREST_EVEN, SATURATE, 0u);
      }
    }
  }
  return codes;
}

fn lost(value: vec4<u32>, mask: u32) -> vec4<u32> {
  return select(vec4(0u), vec4(1u), (value & vec4(mask)) != vec4(0u));
}

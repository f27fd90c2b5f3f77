// A code of any format to single-precision bits: exact, NaN canonical. The twin of decodeBits.
#include "numerics/format.wgsl"

fn decode(code: u32, format: Format) -> u32 {
  // The same exponent field as the result: the code is its top bits.
  if (format.specials == IEEE && format.exponent_bits == 8u) {
    let bits = code << (23u - format.mantissa_bits);
    return select(bits, NAN_BITS, (bits & MAGNITUDE) > INFINITY_BITS);
  }
  if (is_nan_code(code, format)) {
    return NAN_BITS;
  }
  let magnitude = magnitude_of(code, format);
  let sign = select(SIGN_BIT, 0u, magnitude == code);
  if (magnitude == format.inf_code) {
    return sign | INFINITY_BITS;
  }
  return sign | decode_magnitude(magnitude, format);
}

fn decode_magnitude(code: u32, format: Format) -> u32 {
  let is_scale = format.specials == SCALE;
  if (code == 0u && !is_scale) {
    return 0u;
  }
  let field = code >> format.mantissa_bits;
  let hidden = 1u << format.mantissa_bits;
  let mantissa = code & (hidden - 1u);
  let subnormal = field == 0u && !is_scale;
  let whole = select(mantissa | hidden, mantissa, subnormal);
  let zeros = countLeadingZeros(whole) - 8u;
  let significand = whole << zeros;
  let exponent = select(i32(field), 1, subnormal);
  let biased = exponent - format.bias - i32(format.mantissa_bits + zeros) + 150;
  // Only 2^-127 of e8m0 lies below the least normal number here.
  return select(significand >> (u32(1 - biased) & 31u), (u32(biased - 1) << 23u) + significand, biased >= 1);
}

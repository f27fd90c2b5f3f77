// Single-precision arithmetic on bits, correctly rounded (nearest even), subnormals kept, NaN canonical: WGSL's own promises none of it.
#include "numerics/classify.wgsl"
#include "numerics/u64.wgsl"

// Significand in [2^23, 2^24) and exponent of a finite nonzero number: significand * 2^(exponent - 23).
struct Unpacked {
  significand: u32,
  exponent: i32,
}

fn float_unpack(bits: u32) -> Unpacked {
  let magnitude = bits & MAGNITUDE;
  let field = magnitude >> 23u;
  if (field != 0u) {
    return Unpacked((magnitude & 0x7fffffu) | 0x800000u, i32(field) - 127);
  }
  let zeros = countLeadingZeros(magnitude) - 8u;
  return Unpacked(magnitude << (zeros & 31u), -126 - i32(zeros));
}

// Rounds significand * 2^(exponent - 31), significand in [2^31, 2^32) with whatever was cut off folded into its last bit.
fn float_pack(sign: u32, exponent: i32, significand: u32) -> u32 {
  if (exponent > 127) {
    return sign | INFINITY_BITS;
  }
  // Below the normal range the last place stays where it is.
  let extra = u32(clamp(-126 - exponent, 0, 31));
  let kept = significand >> extra;
  let aligned = kept | select(0u, 1u, (kept << extra) != significand);
  let rest = aligned & 0xffu;
  let code = aligned >> 8u;
  let up = rest > 0x80u || (rest == 0x80u && (code & 1u) == 1u);
  let base = select(0u, u32(exponent + 126) << 23u, exponent >= -126);
  // A carry out of the significand moves to the next exponent, at the top to infinity, by itself.
  return sign | (base + code + select(0u, 1u, up));
}

// Rounds a nonzero value * 2^exponent.
fn float_from_u64(sign: u32, exponent: i32, value: vec2<u32>) -> u32 {
  let zeros = u64_leading_zeros(value);
  let top = u64_shift_left(value, zeros);
  return float_pack(sign, exponent + 63 - i32(zeros), top.y | select(0u, 1u, top.x != 0u));
}

fn float_mul(a: u32, b: u32) -> u32 {
  let sign = (a ^ b) & SIGN_BIT;
  if (is_nan(a) || is_nan(b)) {
    return NAN_BITS;
  }
  if (is_infinite(a) || is_infinite(b)) {
    return select(sign | INFINITY_BITS, NAN_BITS, is_zero(a) || is_zero(b));
  }
  if (is_zero(a) || is_zero(b)) {
    return sign;
  }
  let x = float_unpack(a);
  let y = float_unpack(b);
  return float_from_u64(sign, x.exponent + y.exponent - 46, u64_multiply(x.significand, y.significand));
}

fn float_div(a: u32, b: u32) -> u32 {
  let sign = (a ^ b) & SIGN_BIT;
  if (is_nan(a) || is_nan(b)) {
    return NAN_BITS;
  }
  if (is_infinite(a)) {
    return select(sign | INFINITY_BITS, NAN_BITS, is_infinite(b));
  }
  if (is_zero(b)) {
    return select(sign | INFINITY_BITS, NAN_BITS, is_zero(a));
  }
  if (is_zero(a) || is_infinite(b)) {
    return sign;
  }
  let x = float_unpack(a);
  let y = float_unpack(b);
  let small = x.significand < y.significand;
  let dividend = select(x.significand, 2u * x.significand, small);
  let exponent = x.exponent - y.exponent - select(0, 1, small);
  // Schoolbook in base 256: one bit before the point and 24 after it, the remainder says whether the quotient is exact.
  var remainder = dividend - y.significand;
  var quotient = 1u;
  for (var digit = 0; digit < 3; digit++) {
    let scaled = remainder << 8u;
    let next = scaled / y.significand;
    remainder = scaled - next * y.significand;
    quotient = (quotient << 8u) | next;
  }
  return float_pack(sign, exponent, (quotient << 7u) | select(0u, 1u, remainder != 0u));
}

// a * b + c with one rounding.
fn float_fma(a: u32, b: u32, c: u32) -> u32 {
  let sign = (a ^ b) & SIGN_BIT;
  if (is_nan(a) || is_nan(b) || is_nan(c)) {
    return NAN_BITS;
  }
  if (is_infinite(a) || is_infinite(b)) {
    let undefined = is_zero(a) || is_zero(b) || (is_infinite(c) && (c & SIGN_BIT) != sign);
    return select(sign | INFINITY_BITS, NAN_BITS, undefined);
  }
  if (is_infinite(c)) {
    return c;
  }
  if (is_zero(a) || is_zero(b)) {
    return select(c, sign & c, is_zero(c));
  }
  let x = float_unpack(a);
  let y = float_unpack(b);
  let z = float_unpack(c);
  // Product and addend in 64 bits with the leading bit at 61 or 62: room for a carry above, and for 15 exact bits below the product.
  // Where bits are shifted out, the sum cannot cancel down to them.
  let product_exponent = x.exponent + y.exponent;
  let addend_exponent = select(z.exponent, product_exponent, is_zero(c));
  let exponent = max(product_exponent, addend_exponent);
  var product = u64_shift_left(u64_multiply(x.significand, y.significand), 15u);
  product = u64_shift_right_sticky(product, u32(min(exponent - product_exponent, 64)));
  var addend = vec2(0u, z.significand << 6u);
  addend = u64_shift_right_sticky(addend, u32(min(exponent - addend_exponent, 64)));
  // Two's complement: a difference below zero has its top bit set, a sum never has.
  let opposite = select(0u, 0xffffffffu, sign != (c & SIGN_BIT));
  let sum = u64_add(product, u64_subtract(addend ^ vec2(opposite), vec2(opposite)));
  if (u64_is_zero(sum)) {
    return 0u;
  }
  let negative = opposite != 0u && sum.y > MAGNITUDE;
  let mask = select(0u, 0xffffffffu, negative);
  return float_from_u64(sign ^ (mask & SIGN_BIT), exponent - 61, u64_subtract(sum ^ vec2(mask), vec2(mask)));
}

fn float_add(a: u32, b: u32) -> u32 {
  if (is_nan(a) || is_nan(b)) {
    return NAN_BITS;
  }
  if (is_infinite(a)) {
    return select(a, NAN_BITS, is_infinite(b) && a != b);
  }
  let swap = (a & MAGNITUDE) < (b & MAGNITUDE);
  let large = select(a, b, swap);
  let small = select(b, a, swap);
  if (is_infinite(b) || is_zero(small)) {
    return select(large, a & b, is_zero(large));
  }
  let x = float_unpack(large);
  let y = float_unpack(small);
  // A bit above the significands for a carry, six below. Where bits are shifted out, a difference loses one place at most: their mark stays below the last.
  let distance = u32(min(x.exponent - y.exponent, 31));
  let addend = y.significand << 6u;
  let shifted = addend >> distance;
  let marked = shifted | select(0u, 1u, (shifted << distance) != addend);
  let sum = (x.significand << 6u) + select(marked, 0u - marked, ((a ^ b) & SIGN_BIT) != 0u);
  if (sum == 0u) {
    return 0u;
  }
  let zeros = countLeadingZeros(sum);
  return float_pack(large & SIGN_BIT, x.exponent + 2 - i32(zeros), sum << zeros);
}

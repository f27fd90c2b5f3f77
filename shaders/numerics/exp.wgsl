// exp, log1p and what follows from them, as docs/numerics.md ("Functions") pins them: the twin of src/numerics/exp.ts.
#include "numerics/float.wgsl"

// A positive number: significand * 2^(exponent - 31), significand in [2^31, 2^32).
struct Power {
  significand: u32,
  exponent: i32,
}

// log2(e) - 1 and ln(2), 64 bits behind the point, high word first.
const LOG2_E = vec2(0x71547652u, 0xb82fe177u);
const LN_2 = vec2(0xb17217f7u, 0xd1cf79abu);

fn multiply_high(a: u32, b: u32) -> u32 {
  return u64_multiply(a, b).y;
}

fn digit_is_large(digit: u32, rest: u32, next: u32, bottom: u32) -> bool {
  return rest <= 0xffffu && (digit > 0xffffu || digit * bottom > ((rest << 16u) | next));
}

// One digit of 16 bits of (high * 2^16 + next) / divisor, whose top bit is set: the guess from the divisor's top half is at most two too large.
fn quotient_digit(high: u32, next: u32, divisor: u32) -> u32 {
  let top = divisor >> 16u;
  let bottom = divisor & 0xffffu;
  let guess = high / top;
  let rest = high - guess * top;
  let once = digit_is_large(guess, rest, next, bottom);
  let twice = once && digit_is_large(guess - 1u, rest + top, next, bottom);
  return guess - select(0u, 1u, once) - select(0u, 1u, twice);
}

// floor(dividend / divisor), the dividend's high word below the divisor.
fn u64_divide(dividend: vec2<u32>, divisor: u32) -> u32 {
  // Divisors here have their top bit set, or the next.
  let shift = countLeadingZeros(divisor);
  let scaled = divisor << shift;
  let n = select(dividend, vec2(dividend.x << 1u, (dividend.y << 1u) | (dividend.x >> 31u)), shift != 0u);
  let first = quotient_digit(n.y, n.x >> 16u, scaled);
  let rest = ((n.y << 16u) | (n.x >> 16u)) - first * scaled;
  return (first << 16u) + quotient_digit(rest, n.x & 0xffffu, scaled);
}

// A finite magnitude below 128 in units of 2^-32, cut.
fn fixed_point(magnitude: u32) -> vec2<u32> {
  // What is subnormal is shifted out.
  let significand = (magnitude & 0x7fffffu) | 0x800000u;
  let shift = i32(magnitude >> 23u) - 118;
  let left = u32(max(shift, 0));
  let low = select(significand << left, shift_right(significand, -shift), shift < 0);
  return vec2(low, select(significand >> (32u - left), 0u, shift <= 0));
}

// e^x of a finite |x| < 128.
fn power_of_e(magnitude: u32, negative: bool) -> Power {
  let scaled = fixed_point(magnitude);
  // The high word is below 2^7: its products with halves of 16 bits fit a word.
  let upper = scaled.y * (LOG2_E.x >> 16u) + ((scaled.y * (LOG2_E.x & 0xffffu)) >> 16u);
  var product = u64_add(scaled, vec2(scaled.y * LOG2_E.x, upper >> 16u));
  let lower = scaled.y * (LOG2_E.y >> 16u) + ((scaled.y * (LOG2_E.y & 0xffffu)) >> 16u);
  product = u64_add(product, vec2(lower >> 16u, 0u));
  product = u64_add(product, vec2(multiply_high(scaled.x, LOG2_E.x), 0u));
  if (negative) {
    product = u64_subtract(vec2(0u, 0u), product);
  }
  let fraction = product.x;
  var sum = 0x15bd2u;
  sum = 0x99316u + multiply_high(sum, fraction);
  sum = 0x57bf1au + multiply_high(sum, fraction);
  sum = 0x2763464u + multiply_high(sum, fraction);
  sum = 0xe3589f8u + multiply_high(sum, fraction);
  sum = 0x3d7f7ba5u + multiply_high(sum, fraction);
  sum = 0xb17217f8u + multiply_high(sum, fraction);
  return Power(0x80000000u + (multiply_high(sum, fraction) >> 1u), i32(product.y));
}

// From |x| = 128 on, exp is past both ends of f32, and so are the functions made of it.
const PAST_EXP = 0x43000000u;

fn exp_bits(bits: u32) -> u32 {
  let magnitude = bits & MAGNITUDE;
  let negative = (bits & SIGN_BIT) != 0u;
  if (is_nan(bits)) {
    return NAN_BITS;
  }
  if (magnitude >= PAST_EXP) {
    return select(INFINITY_BITS, 0u, negative);
  }
  let power = power_of_e(magnitude, negative);
  return float_pack(0u, power.exponent, power.significand);
}

// Without branches, which cost some adapters more than what they spare; for what is past the ends, or NaN, the quotient is of no use, and not used.
fn sigmoid_bits(bits: u32) -> u32 {
  let magnitude = bits & MAGNITUDE;
  let negative = (bits & SIGN_BIT) != 0u;
  let power = power_of_e(magnitude, true);
  let divisor = 0x80000000u + shift_right(power.significand, -power.exponent);
  let own = vec2(power.significand << 31u, power.significand >> 1u);
  let quotient = u64_divide(select(vec2(0xffffffffu, 0x7fffffffu), own, negative), divisor);
  // A quotient of two powers of the same binade, or of 1 by what is above it: its top bit is set, or the next.
  let shift = countLeadingZeros(quotient);
  let between = float_pack(0u, select(-1, power.exponent, negative) - i32(shift), quotient << (shift & 31u));
  let inner = select(between, 0x3f000000u, power.exponent == 0);
  let finite = select(inner, select(ONE_BITS, 0u, negative), magnitude >= PAST_EXP);
  return select(finite, NAN_BITS, is_nan(bits));
}

// ln(1 +- t) as 2 atanh(t / (2 +- t)): the magnitude is the result times 2^(t.exponent - 30).
fn log_of_one_plus(t: Power, negative: bool) -> u32 {
  let part = shift_right(t.significand, 1 - t.exponent);
  let divisor = select(0x80000000u + part, 0x80000000u - part, negative);
  let quotient = u64_divide(vec2(t.significand << 30u, t.significand >> 2u), divisor);
  let s = select(shift_right(quotient, -t.exponent - 1), quotient << 1u, t.exponent == 0);
  let square = multiply_high(s, s);
  var sum = 0x1dba25f0u;
  sum = 0x1bc8cf8du + multiply_high(sum, square);
  sum = 0x249924d4u + multiply_high(sum, square);
  sum = 0x33331a90u + multiply_high(sum, square);
  sum = 0x55555563u + multiply_high(sum, square);
  return quotient + multiply_high(quotient, multiply_high(square, sum));
}

// ln(1 + t) in units of 2^-32, cut.
fn fixed_log_of_one_plus(t: Power) -> u32 {
  let log = log_of_one_plus(t, false);
  let shift = t.exponent + 2;
  return select(shift_right(log, -shift), log << (u32(shift) & 31u), shift >= 0);
}

fn normalized_power(value: u32, exponent: i32) -> Power {
  let zeros = countLeadingZeros(value);
  return Power(value << zeros, exponent + 31 - i32(zeros));
}

// The magnitude of the natural logarithm of a number whose exponent is not 0, in units of 2^-32.
fn fixed_log(x: Power) -> vec2<u32> {
  let count = u32(abs(x.exponent));
  let whole = u64_add(u64_multiply(count, LN_2.x), vec2(multiply_high(count, LN_2.y), 0u));
  let rest = x.significand - 0x80000000u;
  if (rest == 0u) {
    return whole;
  }
  let log = vec2(fixed_log_of_one_plus(normalized_power(rest, -31)), 0u);
  if (x.exponent < 0) {
    return u64_subtract(whole, log);
  }
  return u64_add(whole, log);
}

fn log1p_bits(bits: u32) -> u32 {
  let negative = (bits & SIGN_BIT) != 0u;
  let magnitude = bits & MAGNITUDE;
  if (is_nan(bits) || (negative && magnitude > ONE_BITS)) {
    return NAN_BITS;
  }
  if (negative && magnitude == ONE_BITS) {
    return SIGN_BIT | INFINITY_BITS;
  }
  if (magnitude == 0u || magnitude == INFINITY_BITS) {
    return bits;
  }
  let parts = float_unpack(bits);
  let x = Power(parts.significand << 8u, parts.exponent);
  if (magnitude < select(ONE_BITS + 1u, 0x3f000000u, negative)) {
    return float_from_u64(bits & SIGN_BIT, x.exponent - 30, vec2(log_of_one_plus(x, negative), 0u));
  }
  if (negative) {
    return float_from_u64(SIGN_BIT, -32, fixed_log(normalized_power(0x80000000u - (x.significand >> 1u), -31)));
  }
  // 1 + x: exact but where the 1 lies below 32 bits.
  let sum = x.significand + shift_right(0x80000000u, x.exponent);
  let carried = sum < x.significand;
  let one_plus = Power(select(sum, 0x80000000u | (sum >> 1u), carried), x.exponent + select(0, 1, carried));
  return float_from_u64(0u, -32, fixed_log(one_plus));
}

fn softplus_bits(bits: u32) -> u32 {
  let negative = (bits & SIGN_BIT) != 0u;
  let magnitude = bits & MAGNITUDE;
  if (is_nan(bits)) {
    return NAN_BITS;
  }
  // Past 20.
  if (!negative && magnitude > 0x41a00000u) {
    return bits;
  }
  if (magnitude >= PAST_EXP) {
    return 0u;
  }
  let power = power_of_e(magnitude, true);
  if (negative && magnitude != 0u) {
    return float_from_u64(0u, power.exponent - 30, vec2(log_of_one_plus(power, false), 0u));
  }
  return float_from_u64(0u, -32, u64_add(fixed_point(magnitude), vec2(fixed_log_of_one_plus(power), 0u)));
}

// The square root, correctly rounded: 25 bits by digits, and whether anything is left.
fn sqrt_bits(bits: u32) -> u32 {
  if (is_nan(bits)) {
    return NAN_BITS;
  }
  if (is_zero(bits)) {
    return bits;
  }
  if ((bits & SIGN_BIT) != 0u) {
    return NAN_BITS;
  }
  if (is_infinite(bits)) {
    return bits;
  }
  let x = float_unpack(bits);
  var digits = x.significand << select(7u, 8u, (x.exponent & 1) != 0);
  var root = 0u;
  var rest = 0u;
  for (var i = 0; i < 25; i++) {
    rest = (rest << 2u) | (digits >> 30u);
    digits = digits << 2u;
    let trial = (root << 2u) | 1u;
    let fits = rest >= trial;
    rest -= select(0u, trial, fits);
    root = (root << 1u) | select(0u, 1u, fits);
  }
  return float_pack(0u, x.exponent >> 1u, (root << 7u) | select(0u, 1u, rest != 0u));
}

// A block summed without any error and rounded once: a fixed-point accumulator as wide as the formats' products and the block need.
// The host does not cut a block of this model over dispatches.
#include "kernels/gemm_common.wgsl"
#include "kernels/gemm_promote.wgsl"
#include "numerics/operand.wgsl"
#include "kernels/gemm_special.wgsl"

// Accumulators of four columns: signed digits of weight 2^(16 i + LAST_WEIGHT), the last bit of the smallest product being bit 0. Terms are
// added to two digits and carried only now and then: a carry through all digits at every term would be most of the work.
alias Digits = array<vec4<i32>, DIGITS>;

// A term is below 2^21 in its upper digit: 2^9 of them and a carried digit stay below 2^31.
const TERMS_BETWEEN_CARRIES = 512u;

const ROWS = 1u;

fn block_sum(before: Piece, start: Start, words: u32) -> Piece {
  var digits = Digits();
  var marks = vec4<u32>();
  for (var i = 0u; i < words; i++) {
    let x = a_at(start.a, start.word + i)[start.row];
    let y = b_at(start.b, start.word + i);
    marks |= vec4(x) | y;
    add_products(&digits, x, y);
    if (i % TERMS_BETWEEN_CARRIES == TERMS_BETWEEN_CARRIES - 1u || i == words - 1u) {
      carry_digits(&digits);
    }
  }
  var result = before[0];
  for (var column = 0u; column < 4u; column++) {
    result[column] = rounded_digits(&digits, column);
  }
  if (((marks.x | marks.y | marks.z | marks.w) & OPERAND_SPECIAL) != 0u) {
    result = with_specials(result, before[0], start, words);
  }
  return Piece(result);
}

fn add_products(digits: ptr<function, Digits>, x: u32, y: vec4<u32>) {
  let magnitude = vec4(x & OPERAND_SIGNIFICAND) * (y & vec4(OPERAND_SIGNIFICAND));
  let exponent = vec4<i32>((vec4(x) + y) >> vec4(16u)) - vec4(i32(2 * OPERAND_BIAS + A_MANTISSA_BITS + B_MANTISSA_BITS + LAST_WEIGHT));
  // Of a zero the exponent means nothing, and of a special neither: its sum is replaced. Of others the first digit is the last but one at most.
  let place = select(clamp(exponent, vec4(0), vec4(i32(16 * DIGITS - 17))), vec4(0), magnitude == vec4(0u));
  let offset = vec4<u32>(place & vec4(15));
  let first = place >> vec4(4u);
  let mask = vec4(0) - vec4<i32>(((vec4(x) ^ y) >> vec4(12u)) & vec4(1u));
  let low = (vec4<i32>((magnitude << offset) & vec4(0xffffu)) ^ mask) - mask;
  let high = (vec4<i32>(magnitude >> (vec4(16u) - offset)) ^ mask) - mask;
  (*digits)[first.x].x += low.x;
  (*digits)[first.y].y += low.y;
  (*digits)[first.z].z += low.z;
  (*digits)[first.w].w += low.w;
  (*digits)[first.x + 1].x += high.x;
  (*digits)[first.y + 1].y += high.y;
  (*digits)[first.z + 1].z += high.z;
  (*digits)[first.w + 1].w += high.w;
}

// All digits but the last come to 0..65535; the last keeps the sign.
fn carry_digits(digits: ptr<function, Digits>) {
  var carry = vec4<i32>();
  for (var i = 0; i < DIGITS - 1; i++) {
    let value = (*digits)[i] + carry;
    (*digits)[i] = value & vec4(0xffff);
    carry = value >> vec4(16u);
  }
  (*digits)[DIGITS - 1] += carry;
}

fn rounded_digits(accumulators: ptr<function, Digits>, column: u32) -> u32 {
  var digits: array<u32, DIGITS>;
  let negative = (*accumulators)[DIGITS - 1][column] < 0;
  var carry = select(0u, 1u, negative);
  let mask = 0u - carry;
  for (var i = 0; i < DIGITS; i++) {
    let digit = ((u32((*accumulators)[i][column]) ^ mask) & 0xffffu) + carry;
    digits[i] = digit & 0xffffu;
    carry = digit >> 16u;
  }
  var top = DIGITS - 1;
  while (top > 2 && digits[top] == 0u) {
    top -= 1;
  }
  // The three digits from the first nonzero one on, or the lowest three.
  let upper = (digits[top] << 16u) | digits[top - 1];
  let lower = digits[top - 2];
  if ((upper | lower) == 0u) {
    return 0u;
  }
  var rest = 0u;
  for (var i = 0; i < top - 2; i++) {
    rest |= digits[i];
  }
  // 48 bits above 16 zeros: room for a mark of what lies below.
  let value = vec2((lower << 16u) | select(0u, 1u, rest != 0u), upper);
  return float_from_u64(select(0u, SIGN_BIT, negative), 16 * (top - 3) + LAST_WEIGHT, value);
}

fn a_marks(start: Start, term: u32) -> vec4<u32> {
  return a_at(start.a, start.word + term);
}

fn b_marks(start: Start, term: u32) -> vec4<u32> {
  return b_at(start.b, start.word + term);
}

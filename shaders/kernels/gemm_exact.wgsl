// A block summed without any error and rounded once: a fixed-point accumulator as wide as the formats' products and the block need.
#include "kernels/gemm_common.wgsl"
#include "numerics/operand.wgsl"
#include "kernels/gemm_special.wgsl"

fn block_sum(start: Start, words: u32) -> Piece {
  var result = Piece();
  for (var row = 0u; row < 4u; row++) {
    for (var column = 0u; column < 4u; column++) {
      result[row][column] = exact_sum(start, row, column, words);
    }
  }
  var marks = vec4<u32>();
  for (var i = 0u; i < words; i++) {
    marks |= a[start.a + i] | b[start.b + i];
  }
  if (((marks.x | marks.y | marks.z | marks.w) & OPERAND_SPECIAL) != 0u) {
    return with_specials(result, Piece(), start, words);
  }
  return result;
}

// Two's complement, least limb first; bit 0 has the weight 2^LAST_WEIGHT, the last bit of the smallest product.
fn exact_sum(start: Start, row: u32, column: u32, words: u32) -> u32 {
  var limbs: array<u32, LIMBS>;
  for (var i = 0u; i < words; i++) {
    let x = a[start.a + i][row];
    let y = b[start.b + i][column];
    let magnitude = (x & OPERAND_SIGNIFICAND) * (y & OPERAND_SIGNIFICAND);
    if (magnitude == 0u || ((x | y) & OPERAND_SPECIAL) != 0u) {
      continue;
    }
    let shift = u32(i32((x + y) >> 16u) - 2 * OPERAND_BIAS - A_MANTISSA_BITS - B_MANTISSA_BITS - LAST_WEIGHT);
    let low = magnitude << (shift & 31u);
    let high = (magnitude >> 1u) >> (31u - (shift & 31u));
    // A negative term is added as its complement and a carry of one.
    let mask = select(0u, 0xffffffffu, ((x ^ y) & OPERAND_SIGN) != 0u);
    var carry = mask & 1u;
    let first = shift >> 5u;
    // From the first limb on, though lower ones stay as they are: a constant count is unrolled, and spares turns where loops are counted.
    for (var limb = 0u; limb < LIMBS; limb++) {
      let part = select(select(0u, high, limb == first + 1u), low, limb == first) ^ mask;
      let partial = limbs[limb] + part;
      let sum = partial + carry;
      if (limb >= first) {
        carry = select(0u, 1u, partial < part || sum < partial);
        limbs[limb] = sum;
      }
    }
  }
  let negative = limbs[LIMBS - 1] > MAGNITUDE;
  if (negative) {
    var carry = 1u;
    for (var limb = 0u; limb < LIMBS; limb++) {
      limbs[limb] = ~limbs[limb] + carry;
      carry = select(0u, carry, limbs[limb] == 0u);
    }
  }
  var top = LIMBS - 1u;
  while (top > 0u && limbs[top] == 0u) {
    top -= 1u;
  }
  if (limbs[top] == 0u) {
    return 0u;
  }
  let zeros = countLeadingZeros(limbs[top]);
  var significand = limbs[top] << zeros;
  var rest = 0u;
  if (top > 0u) {
    significand |= (limbs[top - 1u] >> 1u) >> (31u - zeros);
    rest = limbs[top - 1u] << zeros;
    for (var limb = 0u; limb + 1u < top; limb++) {
      rest |= limbs[limb];
    }
  }
  let exponent = 32 * i32(top) + 31 - i32(zeros) + LAST_WEIGHT;
  return float_pack(select(0u, SIGN_BIT, negative), exponent, significand | select(0u, 1u, rest != 0u));
}

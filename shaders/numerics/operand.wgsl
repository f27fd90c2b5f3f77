// Codes decoded for products, one word each:
//   exponent + OPERAND_BIAS in bits 16 and up, then NaN (14), special (13), sign (12), significand (0..10).
// The value is significand * 2^(exponent - mantissa bits): subnormals keep the exponent of the least normal, as in hardware. A zero is the
// word 0, so that a sum of two words with a zero in it has a smaller exponent than any of nonzero ones: its low half never carries.
#include "numerics/format.wgsl"

const OPERAND_BIAS = 2048;
// Least exponent field of a sum of two nonzero words; those with a zero stay below 2048 + 128.
const LEAST_SUM = 3072u;
const OPERAND_NAN = 0x4000u;
const OPERAND_SPECIAL = 0x2000u;
const OPERAND_SIGN = 0x1000u;
const OPERAND_SIGNIFICAND = 0x7ffu;

fn operand_word(code: u32, format: Format) -> u32 {
  // Specials have a significand of 1: a product with a significand of 0 beside a special is 0 * Inf.
  if (is_nan_code(code, format)) {
    return OPERAND_NAN | OPERAND_SPECIAL | 1u;
  }
  let magnitude = magnitude_of(code, format);
  let sign = select(OPERAND_SIGN, 0u, magnitude == code);
  if (magnitude == format.inf_code) {
    return OPERAND_SPECIAL | sign | 1u;
  }
  let field = magnitude >> format.mantissa_bits;
  let hidden = 1u << format.mantissa_bits;
  let significand = (magnitude & (hidden - 1u)) | select(0u, hidden, field > 0u);
  let exponent = max(i32(field), 1) - format.bias + OPERAND_BIAS;
  return select((u32(exponent) << 16u) | sign | significand, 0u, significand == 0u);
}

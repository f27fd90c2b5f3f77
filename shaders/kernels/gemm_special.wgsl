// NaN and Inf among the operands of a fused sum, one output at a time: rare, and looked for only where a word or the accumulator is marked.

const HAS_PLUS = 1u;
const HAS_MINUS = 2u;
const HAS_NAN = 4u;

fn special_bits(state: u32) -> u32 {
  if (state >= HAS_NAN || state == (HAS_PLUS | HAS_MINUS)) {
    return NAN_BITS;
  }
  return select(INFINITY_BITS, SIGN_BIT | INFINITY_BITS, state == HAS_MINUS);
}

fn special_of_value(bits: u32) -> u32 {
  if (is_nan(bits)) {
    return HAS_NAN;
  }
  if (is_infinite(bits)) {
    return select(HAS_PLUS, HAS_MINUS, bits > MAGNITUDE);
  }
  return 0u;
}

fn special_of_product(x: u32, y: u32) -> u32 {
  if (((x | y) & OPERAND_SPECIAL) == 0u) {
    return 0u;
  }
  if (((x | y) & OPERAND_NAN) != 0u || (x & OPERAND_SIGNIFICAND) == 0u || (y & OPERAND_SIGNIFICAND) == 0u) {
    return HAS_NAN;
  }
  return select(HAS_PLUS, HAS_MINUS, ((x ^ y) & OPERAND_SIGN) != 0u);
}

// Puts the special results of a sum of `count` products and `before` in the place of finite ones.
fn with_specials(finite: Piece, before: Piece, start: Start, count: u32) -> Piece {
  var result = finite;
  var accumulator = before;
  for (var row = 0u; row < 4u; row++) {
    for (var column = 0u; column < 4u; column++) {
      var state = special_of_value(accumulator[row][column]);
      for (var i = 0u; i < count; i++) {
        state |= special_of_product(a[start.a + i][row], b[start.b + i][column]);
      }
      if (state != 0u) {
        result[row][column] = special_bits(state);
      }
    }
  }
  return result;
}

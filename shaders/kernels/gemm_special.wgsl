// NaN and Inf among the operands of a fused sum, rare, and looked for only where a word or the accumulator is marked.
// The including file gives the words of operands at a k, counted from a piece's start: fn a_marks(start: Start, term: u32) -> vec4<u32>, and b_marks.

const HAS_PLUS = 1u;
const HAS_MINUS = 2u;
const HAS_NAN = 4u;

fn special_bits(finite: vec4<u32>, state: vec4<u32>) -> vec4<u32> {
  let undefined = (state >= vec4(HAS_NAN)) | (state == vec4(HAS_PLUS | HAS_MINUS));
  let infinity = select(vec4(INFINITY_BITS), vec4(SIGN_BIT | INFINITY_BITS), state == vec4(HAS_MINUS));
  return select(select(infinity, vec4(NAN_BITS), undefined), finite, state == vec4(0u));
}

fn special_of_values(bits: vec4<u32>) -> vec4<u32> {
  let magnitude = bits & vec4(MAGNITUDE);
  let infinite = select(vec4(HAS_PLUS), vec4(HAS_MINUS), bits > vec4(MAGNITUDE));
  let special = select(infinite, vec4(HAS_NAN), magnitude > vec4(INFINITY_BITS));
  return select(vec4(0u), special, magnitude >= vec4(INFINITY_BITS));
}

fn special_of_products(x: u32, y: vec4<u32>) -> vec4<u32> {
  let either = vec4(x) | y;
  let zero = vec4((x & OPERAND_SIGNIFICAND) == 0u) | ((y & vec4(OPERAND_SIGNIFICAND)) == vec4(0u));
  let infinite = select(vec4(HAS_PLUS), vec4(HAS_MINUS), ((vec4(x) ^ y) & vec4(OPERAND_SIGN)) != vec4(0u));
  let special = select(infinite, vec4(HAS_NAN), zero | ((either & vec4(OPERAND_NAN)) != vec4(0u)));
  return select(vec4(0u), special, (either & vec4(OPERAND_SPECIAL)) != vec4(0u));
}

fn any_special(values: vec4<u32>) -> bool {
  return any((values & vec4(MAGNITUDE)) >= vec4(INFINITY_BITS));
}

// Puts the special results of a row's sums of `count` products and `before` in the place of finite ones.
fn with_specials(finite: vec4<u32>, before: vec4<u32>, start: Start, count: u32) -> vec4<u32> {
  var state = special_of_values(before);
  for (var i = 0u; i < count; i++) {
    state |= special_of_products(a_marks(start, i)[start.row], b_marks(start, i));
  }
  return special_bits(finite, state);
}

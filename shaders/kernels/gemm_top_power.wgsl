// The largest exponent of products, from operands' powers of two as f32, or as bf16 in either half of a word: their products are powers too, and bits of
// positive numbers are ordered as they are; integers are compared in fewer instructions. Special operands have marks in the powers' low bits.
// gemm_top_bit.wgsl stands in for this where products have few exponents.
#include "kernels/gemm_special.wgsl"

// Marks of special operands among the bits of powers, at either k of a word.
const SPECIAL_MARKS = 0x00010001u;

fn power0(words: vec4<u32>) -> vec4<u32> {
  return power_bits(half0(words));
}

fn power1(words: vec4<u32>) -> vec4<u32> {
  return power_bits(half1(words));
}

fn with_product(top: vec4<i32>, x: u32, y: vec4<u32>) -> vec4<i32> {
  return max(top, bitcast<vec4<i32>>(bitcast<f32>(x) * powers(y)));
}

// The largest as bits of its power; nothing where all products are zero.
fn top_bits(top: vec4<i32>) -> vec4<i32> {
  return top;
}

// A special takes part in its product's sign and may meet another: each product is looked at once more.
fn unless_marked(finite: vec4<u32>, before: vec4<u32>, x_marks: u32, y_marks: vec4<u32>) -> vec4<u32> {
  return finite;
}

fn unless_special(finite: Piece, c: Piece, start: Start, own_marks: vec4<u32>) -> Piece {
  var result = finite;
  var before = c;
  var largest = vec4<u32>();
#each x NEIGHBOURS
#each r 4
  largest = max(largest, c[4 * $x + $r] & vec4(MAGNITUDE));
#end
#end
  let marks = all_marks(own_marks);
  if (((marks.x | marks.y | marks.z | marks.w) & SPECIAL_MARKS) != 0u || any_special(largest)) {
    for (var row = 0u; row < ROWS; row++) {
      let place = Start(start.a ^ (row >> 2u), start.b, start.word, row % 4u);
      result[row] = with_specials(result[row], before[row], place, parameters.terms);
    }
  }
  return result;
}

// The marks of the operands at a k, as gemm_special.wgsl reads them.
fn a_marks(start: Start, term: u32) -> vec4<u32> {
  let place = place_of(start, term);
  return marks_of(half_at(a_at(start.a, place), term), half_at(a_at(start.a, place + 1u), term));
}

fn b_marks(start: Start, term: u32) -> vec4<u32> {
  let place = place_of(start, term);
  return marks_of(half_at(b_at(start.b, place), term), half_at(b_at(start.b, place + 1u), term));
}

fn place_of(start: Start, term: u32) -> u32 {
  return 2u * (start.word + (term >> u32(K_PER_WORD == 2)));
}

fn half_at(words: vec4<u32>, term: u32) -> vec4<u32> {
  return select(half0(words), half1(words), K_PER_WORD == 2 && term % 2u == 0u);
}

fn marks_of(value: vec4<u32>, power: vec4<u32>) -> vec4<u32> {
  let marked = (power >> vec4(3u)) & vec4(OPERAND_NAN | OPERAND_SPECIAL);
  let sign = select(vec4(0u), vec4(OPERAND_SIGN), value >= vec4(SIGN_BIT));
  let nonzero = ((value & vec4(MAGNITUDE)) | marked) != vec4(0u);
  return marked | sign | select(vec4(0u), vec4(1u), nonzero);
}

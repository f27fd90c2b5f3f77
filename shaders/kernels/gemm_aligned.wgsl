// Aligned sums: groups of products and the accumulator, cut below the largest exponent. docs/numerics.md, "Products", has the rules.
// In integers, for any model and format; where sums are short, gemm_aligned_float.wgsl gives the same bits sooner.
#include "kernels/gemm_common.wgsl"
#include "kernels/gemm_promote.wgsl"
#include "numerics/aligned_wide.wgsl"
#include "kernels/gemm_special.wgsl"

const ROWS = 1u;

fn block_sum(before: Piece, start: Start, words: u32) -> Piece {
  var sum = before[0];
  for (var at = 0u; at < words; at += parameters.terms) {
    sum = fused_sum(sum, Start(start.a, start.b, start.word + at, start.row));
  }
  return Piece(sum);
}

fn fused_sum(c: vec4<u32>, start: Start) -> vec4<u32> {
  var marks = vec4<u32>();
  var top = exponent_word(c);
  for (var i = 0u; i < parameters.terms; i++) {
    let x = vec4(a_at(start.a, start.word + i)[start.row]);
    let y = b_at(start.b, start.word + i);
    marks |= x | y;
    top = max(top, x + y);
  }
  // The low halves of these words are noise; with all of its bits set, a difference of words has the right high half.
  top |= vec4(0xffffu);
  var sum = aligned_value(c, top);
  for (var i = 0u; i < parameters.terms; i++) {
    let x = vec4(a_at(start.a, start.word + i)[start.row]);
    let y = b_at(start.b, start.word + i);
    let magnitude = (x & vec4(OPERAND_SIGNIFICAND)) * (y & vec4(OPERAND_SIGNIFICAND));
    sum = add_sums(sum, aligned_product(magnitude, x + y, top, sign_masks(x ^ y)));
  }
  let result = rounded(sum, top);
  if (((marks.x | marks.y | marks.z | marks.w) & OPERAND_SPECIAL) != 0u || any_special(c)) {
    return with_specials(result, c, start, parameters.terms);
  }
  return result;
}

fn a_marks(start: Start, term: u32) -> vec4<u32> {
  return a_at(start.a, start.word + term);
}

fn b_marks(start: Start, term: u32) -> vec4<u32> {
  return b_at(start.b, start.word + term);
}

// Aligned sums: groups of TERMS products and the accumulator, cut below the largest exponent. docs/numerics.md, "Products", has the rules.
// In integers, for any model and format; where sums are short, gemm_aligned_float.wgsl gives the same bits sooner.
#include "kernels/gemm_common.wgsl"
#include "numerics/aligned_wide.wgsl"
#include "kernels/gemm_special.wgsl"

fn block_sum(before: Piece, start: Start, words: u32) -> Piece {
  var sum = before;
  for (var at = 0u; at < words; at += TERMS) {
    sum = fused_sum(sum, Start(start.a + at, start.b + at));
  }
  return sum;
}

fn fused_sum(c: Piece, start: Start) -> Piece {
  var marks = vec4<u32>();
  var top0 = exponent_word(c[0]);
  var top1 = exponent_word(c[1]);
  var top2 = exponent_word(c[2]);
  var top3 = exponent_word(c[3]);
  for (var i = 0u; i < TERMS; i++) {
    let x = a[start.a + i];
    let y = b[start.b + i];
    marks |= x | y;
    top0 = max(top0, vec4(x.x) + y);
    top1 = max(top1, vec4(x.y) + y);
    top2 = max(top2, vec4(x.z) + y);
    top3 = max(top3, vec4(x.w) + y);
  }
  // The low halves of the words above are noise; with all of its bits set, a difference of words has the right high half.
  top0 |= vec4(0xffffu);
  top1 |= vec4(0xffffu);
  top2 |= vec4(0xffffu);
  top3 |= vec4(0xffffu);
  var sum0 = aligned_value(c[0], top0);
  var sum1 = aligned_value(c[1], top1);
  var sum2 = aligned_value(c[2], top2);
  var sum3 = aligned_value(c[3], top3);
  for (var i = 0u; i < TERMS; i++) {
    let x = a[start.a + i];
    let y = b[start.b + i];
    let xs = widened(x & vec4(OPERAND_SIGNIFICAND));
    let ys = y & vec4(OPERAND_SIGNIFICAND);
    let xm = sign_masks(x);
    let ym = sign_masks(y);
    sum0 = add_sums(sum0, aligned_product(xs.x * ys, vec4(x.x) + y, top0, vec4(xm.x) ^ ym));
    sum1 = add_sums(sum1, aligned_product(xs.y * ys, vec4(x.y) + y, top1, vec4(xm.y) ^ ym));
    sum2 = add_sums(sum2, aligned_product(xs.z * ys, vec4(x.z) + y, top2, vec4(xm.z) ^ ym));
    sum3 = add_sums(sum3, aligned_product(xs.w * ys, vec4(x.w) + y, top3, vec4(xm.w) ^ ym));
  }
  let result = Piece(rounded(sum0, top0), rounded(sum1, top1), rounded(sum2, top2), rounded(sum3, top3));
  if (((marks.x | marks.y | marks.z | marks.w) & OPERAND_SPECIAL) != 0u || any_special(c)) {
    return with_specials(result, c, start, TERMS);
  }
  return result;
}

fn any_special(c: Piece) -> bool {
  let largest = max(max(c[0] & vec4(MAGNITUDE), c[1] & vec4(MAGNITUDE)), max(c[2] & vec4(MAGNITUDE), c[3] & vec4(MAGNITUDE)));
  return any(largest >= vec4(INFINITY_BITS));
}

fn a_marks(word: u32) -> vec4<u32> {
  return a[word];
}

fn b_marks(word: u32) -> vec4<u32> {
  return b[word];
}

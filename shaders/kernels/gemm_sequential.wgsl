// A chain of correctly rounded fused multiply-adds, k ascending.
#include "kernels/gemm_common.wgsl"

fn block_sum(before: Piece, start: Start, words: u32) -> Piece {
  var sums = before;
  for (var i = 0u; i < 16u; i++) {
    let row = i >> 2u;
    let column = i & 3u;
    var sum = sums[row][column];
    for (var k = 0u; k < words; k++) {
      sum = float_fma(a[start.a + k][row], b[start.b + k][column], sum);
    }
    sums[row][column] = sum;
  }
  return sums;
}

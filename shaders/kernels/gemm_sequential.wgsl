// A chain of correctly rounded fused multiply-adds, k ascending.
#include "kernels/gemm_common.wgsl"
#include "kernels/gemm_promote.wgsl"

const ROWS = 1u;

fn block_sum(before: Piece, start: Start, words: u32) -> Piece {
  var sums = before[0];
  for (var column = 0u; column < 4u; column++) {
    var sum = sums[column];
    for (var k = 0u; k < words; k++) {
      sum = float_fma(a_at(start.a, start.word + k)[start.row], b_at(start.b, start.word + k)[column], sum);
    }
    sums[column] = sum;
  }
  return Piece(sums);
}

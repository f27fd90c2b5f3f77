// Promotion of kernels that have no quicker way to it.
#include "kernels/gemm_promote_any.wgsl"

fn promote_piece(sums: Piece, partials: Piece, row: u32, column: u32, k: u32) -> Piece {
  return promote_any(sums, partials, row, column, k);
}

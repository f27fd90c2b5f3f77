// Promotion of a piece's partial sums into single precision with any scales, by integers. Piece and ROWS are gemm_common.wgsl's.

// Scales and partial sums of four columns, each operation rounded once: products and sums are fmas with a zero or a one, so that one copy of the arithmetic serves all.
fn promote(sums: vec4<u32>, partials: vec4<u32>, sa: vec4<u32>, sb: vec4<u32>) -> vec4<u32> {
  var value = select(partials, sa, parameters.combine != B_THEN_A);
  for (var step = 0u; step < 3u - parameters.fused; step++) {
    var factor = select(partials, sb, parameters.combine != A_THEN_B);
    if (step == 1u) {
      factor = select(select(partials, sb, parameters.combine == A_THEN_B), sa, parameters.combine == B_THEN_A);
    } else if (step == 2u) {
      factor = vec4(ONE_BITS);
    }
    // A zero of the product's own sign keeps it.
    let product_sign = (value ^ factor) & vec4(SIGN_BIT);
    value = float_fma4(value, factor, select(product_sign, sums, step == 2u - parameters.fused));
  }
  return value;
}

// A loop, though it is short: compilers inline every call, and copies of the arithmetic take them long.
fn promote_any(sums: Piece, partials: Piece, row: u32, column: u32, k: u32) -> Piece {
  var before = sums;
  var partial = partials;
  var after = Piece();
  let sb = b_factors4(column, k);
  for (var i = 0u; i < ROWS; i++) {
    after[i] = promote(before[i], partial[i], vec4(a_factor(row ^ i, k)), sb);
  }
  return after;
}

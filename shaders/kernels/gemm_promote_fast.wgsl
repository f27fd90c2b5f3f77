// What kernels with their sums in registers share: values of bf16 pairs, and promotion in plain single precision, a copy of it for every sum.
#include "kernels/gemm_parts.wgsl"

// Values at the first and at the second k of words. A product, for some adapters shift lane by lane.
fn low_half(pairs: vec4<u32>) -> vec4<f32> {
  return bitcast<vec4<f32>>(pairs * vec4(0x10000u));
}

fn high_half(pairs: vec4<u32>) -> vec4<f32> {
  return bitcast<vec4<f32>>(pairs & vec4(0xffff0000u));
}

// What a block's sums are multiplied with first and then, of a row's scale or of four columns': 1 where it is the other's turn.
struct RowFactors {
  first: f32,
  then: f32,
}

struct ColumnFactors {
  first: vec4<f32>,
  then: vec4<f32>,
}

fn row_factors(row: u32, k: u32) -> RowFactors {
  let scale = bitcast<f32>(a_factor(row, k));
  let last = parameters.combine == B_THEN_A;
  return RowFactors(select(scale, 1.0, last), select(1.0, scale, last));
}

fn column_factors(column: u32, k: u32) -> ColumnFactors {
  let scales = bitcast<vec4<f32>>(b_factors4(column, k));
  let last = parameters.combine == A_THEN_B;
  return ColumnFactors(select(scales, vec4(1.0), last), select(vec4(1.0), scales, last));
}

// Sums of four columns with a block's, in two roundings or one: the fast tier leaves that to the adapter.
fn promote(sums: vec4<u32>, partials: vec4<f32>, row: RowFactors, columns: ColumnFactors) -> vec4<u32> {
  let scaled = (partials * (row.first * columns.first)) * (row.then * columns.then);
  return bitcast<vec4<u32>>(bitcast<vec4<f32>>(sums) + scaled);
}

// Promotion of four sums by scales that are powers of two, for the tests alone: sums, partial sums, scales of A and of B in; sums and whether they count out.
#include "kernels/thread.wgsl"
#include "numerics/float4.wgsl"

const ROWS = 4u;
alias Piece = array<vec4<u32>, ROWS>;

const A_THEN_B = 1u;
const B_THEN_A = 2u;

struct Parameters {
  count: u32,
  combine: u32,
  fused: u32,
}

fn a_factor(row: u32, k: u32) -> u32 {
  return ONE_BITS;
}

fn b_factors4(column: u32, k: u32) -> vec4<u32> {
  return vec4(ONE_BITS);
}

#include "kernels/gemm_promote_float.wgsl"

@group(0) @binding(0) var<uniform> parameters: Parameters;
@group(0) @binding(1) var<storage, read> input: array<vec4<u32>>;
@group(0) @binding(2) var<storage, read_write> output: array<u32>;

@compute @workgroup_size(WORKGROUP_SIZE)
fn promote_each(
  @builtin(workgroup_id) workgroup: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) local: u32,
) {
  let i = thread_index(workgroup, groups, local);
  if (i < parameters.count) {
    let sa = input[4u * i + 2u];
    let sb = input[4u * i + 3u];
    let promoted = promote_powers(input[4u * i], input[4u * i + 1u], sa, sb);
    for (var lane = 0u; lane < 4u; lane++) {
      output[5u * i + lane] = promoted.sums[lane];
    }
    output[5u * i + 4u] = u32(promoted.done && all(are_powers(sa) & are_powers(sb)));
  }
}

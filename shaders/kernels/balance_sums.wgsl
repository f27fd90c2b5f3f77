// Sums of the shares over tokens, in units of 2^-36: integers, which have no order. Chunks of tokens first, then the chunks of a band.
#include "kernels/thread.wgsl"
#include "numerics/gate.wgsl"

struct Parameters {
  tokens: u32,
  experts: u32,
  chunks: u32,
}

@group(0) @binding(0) var<uniform> parameters: Parameters;
@group(0) @binding(1) var<storage, read> shares: array<u32>;
@group(0) @binding(2) var<storage, read_write> sums: array<u32>;
@group(0) @binding(3) var<storage, read_write> units: array<u32>;

// One thread a chunk of an expert.
@compute @workgroup_size(WORKGROUP_SIZE)
fn sum_chunks(
  @builtin(workgroup_id) workgroup: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) local: u32,
) {
  let i = thread_index(workgroup, groups, local);
  let p = parameters;
  if (i >= p.chunks * p.experts) {
    return;
  }
  let expert = i / p.chunks;
  let first = (i - expert * p.chunks) * CHUNK;
  var total = vec2(0u, 0u);
  for (var token = first; token < min(first + CHUNK, p.tokens); token++) {
    total = u64_add(total, softmax_units(shares[expert * p.tokens + token]));
  }
  sums[2u * i] = total.x;
  sums[2u * i + 1u] = total.y;
}

// One thread an expert.
@compute @workgroup_size(WORKGROUP_SIZE)
fn sum_band(
  @builtin(workgroup_id) workgroup: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) local: u32,
) {
  let expert = thread_index(workgroup, groups, local);
  let p = parameters;
  if (expert >= p.experts) {
    return;
  }
  var total = vec2(units[2u * expert], units[2u * expert + 1u]);
  for (var i = expert * p.chunks; i < (expert + 1u) * p.chunks; i++) {
    total = u64_add(total, vec2(sums[2u * i], sums[2u * i + 1u]));
  }
  units[2u * expert] = total.x;
  units[2u * expert + 1u] = total.y;
}

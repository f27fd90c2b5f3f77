// A pinned function of consecutive bit patterns, the pattern being the thread's own number: nothing is read.
#include "kernels/thread.wgsl"
#include "numerics/exp.wgsl"

struct Parameters {
  first: u32,
  count: u32,
}

@group(0) @binding(0) var<uniform> parameters: Parameters;
@group(0) @binding(1) var<storage, read_write> results: array<u32>;

// FUNCTION is the place in pinnedFunctions of src/numerics/exp.ts.
fn pinned(bits: u32) -> u32 {
  switch (FUNCTION) {
    case 0u: {
      return exp_bits(bits);
    }
    case 1u: {
      return sigmoid_bits(bits);
    }
    case 2u: {
      return log1p_bits(bits);
    }
    case 3u: {
      return softplus_bits(bits);
    }
    default: {
      return sqrt_bits(bits);
    }
  }
}

@compute @workgroup_size(WORKGROUP_SIZE)
fn function_patterns(
  @builtin(workgroup_id) workgroup: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) local: u32,
) {
  let i = thread_index(workgroup, groups, local);
  if (i < parameters.count) {
    results[i] = pinned(parameters.first + i);
  }
}

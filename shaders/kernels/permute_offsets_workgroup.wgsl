// First row of every expert, a multiple of the alignment, and the end of the last: by one workgroup.
#include "kernels/permute_scan.wgsl"

struct Parameters {
  experts: u32,
  alignment: u32,
  // Rows of each expert's block; 0: experts lie one behind the other.
  stride: u32,
}

@group(0) @binding(0) var<uniform> parameters: Parameters;
@group(0) @binding(1) var<storage, read> counts: array<u32>;
@group(0) @binding(2) var<storage, read_write> offsets: array<u32>;

fn rows_of(expert: u32) -> u32 {
  let aligned = (counts[expert] + parameters.alignment - 1u) / parameters.alignment * parameters.alignment;
  return select(parameters.stride, aligned, parameters.stride == 0u);
}

@compute @workgroup_size(WORKGROUP_SIZE)
fn sum_experts(@builtin(local_invocation_index) local: u32) {
  let run = run_of(local, parameters.experts);
  var total = 0u;
  for (var expert = run.begin; expert < run.end; expert++) {
    total += rows_of(expert);
  }
  var row = sum_before(total, local);
  if (local == THREADS - 1u) {
    offsets[parameters.experts] = row + total;
  }
  for (var expert = run.begin; expert < run.end; expert++) {
    offsets[expert] = row;
    row += rows_of(expert);
  }
}

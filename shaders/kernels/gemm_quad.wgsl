// Four threads that make pieces of a product together: each brings a fourth of the rows and has the others' by swaps, and columns of its own. A quad is what WGSL
// says it is: lanes of a subgroup. Where they stand in the workgroup does not matter, for they share rows, which are the whole workgroup's.
enable subgroups;

struct Thread {
  @builtin(workgroup_id) workgroup: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) local: u32,
  @builtin(subgroup_invocation_id) lane: u32,
}

fn lane_of(thread: Thread) -> u32 {
  return thread.lane % 4u;
}

@diagnostic(off, subgroup_uniformity)
fn least(own: u32) -> u32 {
  let pair = min(own, quadSwapX(own));
  return min(pair, quadSwapY(pair));
}

// What the lane brings, and what those beside, across and opposite it bring.
fn swapped0(own: vec4<u32>) -> vec4<u32> {
  return own;
}

@diagnostic(off, subgroup_uniformity)
fn swapped1(own: vec4<u32>) -> vec4<u32> {
  return quadSwapX(own);
}

@diagnostic(off, subgroup_uniformity)
fn swapped2(own: vec4<u32>) -> vec4<u32> {
  return quadSwapY(own);
}

@diagnostic(off, subgroup_uniformity)
fn swapped3(own: vec4<u32>) -> vec4<u32> {
  return quadSwapDiagonal(own);
}

@diagnostic(off, subgroup_uniformity)
fn all_marks(own: vec4<u32>) -> vec4<u32> {
  let pair = own | quadSwapX(own);
  return pair | quadSwapY(pair);
}

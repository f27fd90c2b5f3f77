// The scale of every tile from its amax: as stored, and as the factor that the tile's values take.
#include "kernels/thread.wgsl"
#include "numerics/scale.wgsl"

struct Parameters {
  @size(32) rule: ScaleRule,
  tiles: u32,
}

@group(0) @binding(0) var<uniform> parameters: Parameters;
@group(0) @binding(1) var<storage, read> amax: array<u32>;
// Amax of the whole tensor; looked at by the two-level recipe alone.
@group(0) @binding(2) var<storage, read> tensor_amax: array<u32>;
@group(0) @binding(3) var<storage, read_write> stored: array<u32>;
@group(0) @binding(4) var<storage, read_write> factors: array<u32>;
@group(0) @binding(5) var<storage, read_write> tensor_scale: array<u32>;

@compute @workgroup_size(WORKGROUP_SIZE)
fn tile_scales(
  @builtin(workgroup_id) workgroup: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) local: u32,
) {
  let tile = thread_index(workgroup, groups, local);
  if (tile >= parameters.tiles) {
    return;
  }
  var second_level = ONE_BITS;
  if (parameters.rule.recipe == NVFP4) {
    second_level = tensor_scale_bits(tensor_amax[0]);
  }
  if (tile == 0u) {
    tensor_scale[0] = second_level;
  }
  let scale = tile_scale(amax[tile], parameters.rule, second_level);
  stored[tile] = scale.stored;
  factors[tile] = scale.factor;
}

// How many slots of each expert a block of slots has, and how many of a slot's expert stand before it in its block: a workgroup a block, a
// thread a slot.
struct Parameters {
  // Slots of the band, experts, slots of a block, the band's first block, and blocks of all bands.
  slots: u32,
  experts: u32,
  block: u32,
  first_block: u32,
  blocks: u32,
}

const THREADS = u32(WORKGROUP_SIZE);
const NOWHERE = 0xffffffffu;

@group(0) @binding(0) var<uniform> parameters: Parameters;
@group(0) @binding(1) var<storage, read> topk_idx: array<u32>;
// Zeros; [experts, blocks].
@group(0) @binding(2) var<storage, read_write> counts: array<u32>;
@group(0) @binding(3) var<storage, read_write> ranks: array<u32>;

var<workgroup> experts: array<u32, THREADS>;

@compute @workgroup_size(WORKGROUP_SIZE)
fn count_blocks(
  @builtin(workgroup_id) workgroup: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) local: u32,
) {
  let block = workgroup.y * groups.x + workgroup.x;
  let slot = block * parameters.block + local;
  var expert = NOWHERE;
  if (slot < parameters.slots) {
    expert = topk_idx[slot];
  }
  experts[local] = expert;
  workgroupBarrier();
  // -1 is no expert.
  if (expert >= parameters.experts) {
    return;
  }
  var before = 0u;
  var all = 0u;
  for (var i = 0u; i < THREADS; i++) {
    let same = u32(experts[i] == expert);
    before += select(0u, same, i < local);
    all += same;
  }
  ranks[slot] = before;
  // The last of an expert's slots knows how many there are.
  if (before + 1u == all) {
    counts[expert * parameters.blocks + parameters.first_block + block] = all;
  }
}

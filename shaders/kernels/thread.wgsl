// Every entry point runs WORKGROUP_SIZE threads a workgroup; the groups are split over x and y where x alone cannot count them.

fn thread_index(workgroup: vec3<u32>, groups: vec3<u32>, local: u32) -> u32 {
  return (workgroup.y * groups.x + workgroup.x) * WORKGROUP_SIZE + local;
}

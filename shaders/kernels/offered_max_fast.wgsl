// The largest value among threads of a workgroup, by its memory. Threads of a block of SPAN side by side whose indices are the same modulo STRIDE are
// a group; both are powers of two.
var<workgroup> offered: array<u32, WORKGROUP_SIZE>;

// Over the threads of a group that are a multiple of `step`, itself one of STRIDE, away. All threads of the workgroup must come here together.
fn offered_max(value: u32, local: u32, step: u32) -> u32 {
  // What was offered before has been read.
  workgroupBarrier();
  offered[local] = value;
  workgroupBarrier();
  let first = local / SPAN * SPAN;
  var largest = value;
  for (var i = first + local % min(step, SPAN); i < first + SPAN; i += step) {
    largest = max(largest, offered[i]);
  }
  return largest;
}

// Sums along a list by one workgroup: every thread takes a run of neighbours.
const THREADS = u32(WORKGROUP_SIZE);

var<workgroup> totals: array<u32, THREADS>;

struct Run {
  begin: u32,
  end: u32,
}

fn run_of(local: u32, length: u32) -> Run {
  let run = (length + THREADS - 1u) / THREADS;
  return Run(min(local * run, length), min((local + 1u) * run, length));
}

// What the threads before this one hold together. All threads of a workgroup call it, once. One barrier and up to 63 loads of words that all
// threads read at once; halving steps would take six barriers.
fn sum_before(total: u32, local: u32) -> u32 {
  totals[local] = total;
  workgroupBarrier();
  var sum = 0u;
  for (var i = 0u; i < local; i++) {
    sum += totals[i];
  }
  return sum;
}

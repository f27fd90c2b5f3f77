// The experts of every token, the best first: one workgroup a token, its keys in workgroup memory. An expert comes before another if its key is
// larger, or the same and its index smaller; its place is the number of those that come before it, so that no place waits for another.
#include "kernels/gate_cooperative.wgsl"

const MOST_GROUPS = 128u;

// Four experts each; the key of NaN where there is none, or where its group is not kept.
var<workgroup> keys: array<vec4<u32>, QUADS>;
var<workgroup> group_keys: array<u32, MOST_GROUPS>;
var<workgroup> keeps: array<u32, MOST_GROUPS>;
// Keys of the last that is chosen and of the first that is not, among experts and among groups.
var<workgroup> edge: array<u32, 2>;
var<workgroup> group_edge: array<u32, 2>;
var<workgroup> refused: atomic<u32>;
var<workgroup> largest: atomic<u32>;
var<workgroup> units: array<atomic<u32>, 2>;

// The softmax's largest logit and its sum.
fn sum_softmax(token: u32, local: u32) -> vec2<u32> {
  let first = token * parameters.experts;
  var best = NAN_KEY;
  for (var expert = local; expert < parameters.experts; expert += THREADS) {
    best = max(best, key_of(logits[first + expert]));
  }
  atomicMax(&largest, best);
  workgroupBarrier();
  let most = bits_of_key(atomicLoad(&largest));
  var sum = vec2(0u, 0u);
  for (var expert = local; expert < parameters.experts; expert += THREADS) {
    let exponential = softmax_exponential(logits[first + expert], most);
    if (is_nan(exponential)) {
      atomicStore(&refused, 1u);
    }
    sum = u64_add(sum, softmax_units(exponential));
  }
  let parts = parts_of(sum);
  atomicAdd(&units[0], parts.x);
  atomicAdd(&units[1], parts.y);
  workgroupBarrier();
  return vec2(most, softmax_sum(units_of(vec2(atomicLoad(&units[0]), atomicLoad(&units[1])))));
}

fn rank_experts(token: u32, softmax: vec2<u32>, local: u32) {
  for (var quad = local; quad < QUADS; quad += THREADS) {
    var four = vec4<u32>();
    for (var i = 0u; i < min(4u, parameters.experts - 4u * quad); i++) {
      four[i] = key_of_expert(token, 4u * quad + i, softmax.x, softmax.y);
      if (four[i] == NAN_KEY) {
        atomicStore(&refused, 1u);
      }
    }
    keys[quad] = four;
  }
}

// Scores groups, and takes away the keys of those that the token does not keep.
fn choose_groups(local: u32) {
  let groups = parameters.groups;
  let size = parameters.size;
  for (var group = local; group < groups; group += THREADS) {
    var first = 0u;
    var second = 0u;
    for (var expert = group * size; expert < (group + 1u) * size; expert++) {
      let key = keys[expert / 4u][expert % 4u];
      second = max(second, min(first, key));
      first = max(first, key);
    }
    if (TOP2 == 1u) {
      first = key_of(float_add(bits_of_key(first), bits_of_key(second)));
    }
    if (first == NAN_KEY) {
      atomicStore(&refused, 1u);
    }
    group_keys[group] = first;
  }
  workgroupBarrier();
  for (var group = local; group < groups; group += THREADS) {
    let key = group_keys[group];
    var place = 0u;
    for (var other = 0u; other < groups; other++) {
      place += u32(group_keys[other] > key || (group_keys[other] == key && other < group));
    }
    keeps[group] = u32(place < parameters.kept);
    if (place + 1u == parameters.kept) {
      group_edge[0] = key;
    } else if (place == parameters.kept) {
      group_edge[1] = key;
    }
  }
  workgroupBarrier();
  for (var quad = local; quad < QUADS; quad += THREADS) {
    var four = keys[quad];
    for (var i = 0u; i < min(4u, parameters.experts - 4u * quad); i++) {
      four[i] = select(NAN_KEY, four[i], keeps[(4u * quad + i) / size] == 1u);
    }
    keys[quad] = four;
  }
  workgroupBarrier();
}

// How many experts come before each of a quad's.
fn places_of(quad: u32, mine: vec4<u32>) -> vec4<u32> {
  var places = vec4(0u, u32(mine.x == mine.y), 0u, 0u);
  places.z = u32(mine.x == mine.z) + u32(mine.y == mine.z);
  places.w = u32(mine.x == mine.w) + u32(mine.y == mine.w) + u32(mine.z == mine.w);
  for (var other = 0u; other < QUADS; other++) {
    let four = keys[other];
    // Experts of lower quads come first with an equal key too.
    let bar = mine - vec4(u32(other < quad));
    places += vec4(
      dot(vec4<u32>(four > bar.xxxx), vec4(1u)),
      dot(vec4<u32>(four > bar.yyyy), vec4(1u)),
      dot(vec4<u32>(four > bar.zzzz), vec4(1u)),
      dot(vec4<u32>(four > bar.wwww), vec4(1u)),
    );
  }
  return places;
}

@compute @workgroup_size(WORKGROUP_SIZE)
fn choose_experts(
  @builtin(workgroup_id) workgroup: vec3<u32>,
  @builtin(num_workgroups) workgroups: vec3<u32>,
  @builtin(local_invocation_index) local: u32,
) {
  let token = workgroup.y * workgroups.x + workgroup.x;
  let p = parameters;
  if (token >= p.tokens) {
    return;
  }
  var softmax = vec2(0u, 0u);
  if (SCORE == SOFTMAX) {
    softmax = sum_softmax(token, local);
  }
  rank_experts(token, softmax, local);
  workgroupBarrier();
  if (LIMITED == 1u) {
    choose_groups(local);
  }
  for (var quad = local; quad < QUADS; quad += THREADS) {
    let mine = keys[quad];
    let places = places_of(quad, mine);
    for (var i = 0u; i < 4u; i++) {
      let place = places[i];
      if (mine[i] == NAN_KEY || place > p.topk) {
        continue;
      }
      if (place == p.topk) {
        edge[1] = mine[i];
        continue;
      }
      chosen[token * p.topk + place] = 4u * quad + i;
      if (place + 1u == p.topk) {
        edge[0] = mine[i];
      }
    }
  }
  workgroupBarrier();
  if (local == 0u) {
    let gap = select(gap_of(edge[0], edge[1]), INFINITY_BITS, edge[1] == NAN_KEY);
    keep_state(token, softmax, gap, gap_of(group_edge[0], group_edge[1]), atomicLoad(&refused) == 1u);
  }
}

// Copies rows of whole quads of words to where a map wants them, a workgroup a row; the result begins as zeros, and rows that others hold stay as
// they are.
struct Parameters {
  // Rows of the result, quads of a row, slots of a token; the first token of the source, and how many it has.
  rows: u32,
  width: u32,
  topk: u32,
  first_token: u32,
  tokens: u32,
}

const NOWHERE = 0xffffffffu;

@group(0) @binding(0) var<uniform> parameters: Parameters;
@group(0) @binding(1) var<storage, read> x: array<vec4<u32>>;
@group(0) @binding(2) var<storage, read> row_to_slot: array<u32>;
@group(0) @binding(3) var<storage, read_write> moved: array<vec4<u32>>;

@compute @workgroup_size(WORKGROUP_SIZE)
fn gather_quads(
  @builtin(workgroup_id) workgroup: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) local: u32,
) {
  let row = workgroup.y * groups.x + workgroup.x;
  if (row >= parameters.rows) {
    return;
  }
  let slot = row_to_slot[row];
  let token = slot / parameters.topk - parameters.first_token;
  if (slot == NOWHERE || token >= parameters.tokens) {
    return;
  }
  let source = token * parameters.width;
  let destination = row * parameters.width;
  for (var i = local; i < parameters.width; i += u32(WORKGROUP_SIZE)) {
    moved[destination + i] = x[source + i];
  }
}

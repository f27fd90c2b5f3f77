// Where a packed operand goes: to a buffer.
#include "kernels/gemm_panel.wgsl"

@group(0) @binding(2) var<storage, read_write> operand: array<vec4<u32>>;

// Part `part` of `parts` of a group's word.
fn keep(group: u32, word: u32, part: u32, parts: u32, words: vec4<u32>) {
  let place = panel_start(group, parameters.row_groups, parameters.row_words, PANEL);
  operand[parts * (place + word * panel_width(group, parameters.row_groups, PANEL)) + part] = words;
}

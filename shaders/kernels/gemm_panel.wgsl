// Where the words of a packed operand lie: in panels of groups of four rows, word after word of k, so that neighbouring threads read
// neighbouring words. The last panel is as wide as what is left; a width of 1 is a stream for each group.

fn panel_start(group: u32, groups: u32, row_words: u32, panel: u32) -> u32 {
  let first = group / panel * panel;
  return first * row_words + group - first;
}

// From one word of a group to its next.
fn panel_width(group: u32, groups: u32, panel: u32) -> u32 {
  return min(panel, groups - group / panel * panel);
}

#include "groups.h"

#include <algorithm>

#include "../errors.h"
#include "tiles.h"

namespace fp8lab {

namespace {

i64 align_up(i64 value, i64 alignment) { return (value + alignment - 1) / alignment * alignment; }

/** The integers of `group_layout` for groups of the given sizes, one behind the other at multiples of the alignment. */
std::vector<i32> layout_of_sizes(const GroupedGemmSpec& spec, const std::vector<i64>& sizes) {
  std::vector<i32> layout;
  i64 end = 0;
  for (const i64 size : sizes) {
    end = spec.layout == GroupLayout::masked ? size : align_up(end, spec.alignment) + size;
    if (end > (spec.layout == GroupLayout::k_grouped ? spec.k : spec.m))
      throw input_error("bad-field", "the groups do not fit the shape", "sizes", "resolve the spec with `fp8lab spec resolve`");
    layout.push_back(static_cast<i32>(end));
  }
  if (spec.layout != GroupLayout::contiguous) return layout;
  std::vector<i32> groups(static_cast<std::size_t>(spec.m), -1);
  for (std::size_t group = 0; group < sizes.size(); group++) {
    std::fill_n(groups.begin() + (layout[group] - sizes[group]), sizes[group], static_cast<i32>(group));
  }
  return groups;
}

std::vector<i64> group_layout_shape(const GroupedGemmSpec& spec) { return {spec.layout == GroupLayout::contiguous ? spec.m : spec.groups}; }

[[noreturn]] void refuse(std::size_t at, const std::string& message, const std::string& fix) {
  const std::string where = "group_layout[" + std::to_string(at) + "]";
  throw input_error("bad-layout", where + ": " + message, where, fix);
}

/** Every block of `alignment` rows holds rows of one group, then padding: kernels read a tile's group from its first row. */
std::vector<GroupRange> contiguous_ranges(const GroupedGemmSpec& spec, const std::vector<i32>& groups) {
  std::vector<GroupRange> ranges;
  i64 open = -1;
  for (std::size_t row = 0; row < groups.size(); row++) {
    const i64 group = groups[row];
    if (group >= spec.groups) {
      refuse(row, "is " + std::to_string(group) + ", and there are " + std::to_string(spec.groups) + " groups",
             "name groups from 0 on, or -1 for padding");
    }
    if (group >= 0 && group != open) {
      const std::string alignment = std::to_string(spec.alignment);
      if (static_cast<i64>(row) % spec.alignment != 0) {
        refuse(row, "group " + std::to_string(group) + " begins at row " + std::to_string(row) + ", no multiple of " + alignment,
               "begin every group at a multiple of " + alignment + ", or set alignment");
      }
      ranges.push_back({group, static_cast<i64>(row), 0});
    }
    if (group >= 0) ranges.back().count++;
    open = group;
  }
  return ranges;
}

std::vector<GroupRange> masked_ranges(const GroupedGemmSpec& spec, const std::vector<i32>& counts) {
  std::vector<GroupRange> ranges;
  for (std::size_t group = 0; group < counts.size(); group++) {
    if (counts[group] < 0 || counts[group] > spec.m) {
      refuse(group, "is " + std::to_string(counts[group]) + ", and a group holds 0 to " + std::to_string(spec.m) + " rows",
             "count the rows of each group");
    }
    if (counts[group] > 0) ranges.push_back({static_cast<i64>(group), static_cast<i64>(group) * spec.m, counts[group]});
  }
  return ranges;
}

std::vector<GroupRange> offset_ranges(const GroupedGemmSpec& spec, const std::vector<i32>& ends) {
  const bool by_k = spec.layout == GroupLayout::k_grouped;
  const i64 extent = by_k ? spec.k : spec.m;
  std::vector<GroupRange> ranges;
  i64 start = 0, former = 0;
  for (std::size_t group = 0; group < ends.size(); group++) {
    const i64 end = ends[group];
    if (end < former || end > extent) {
      refuse(group, "is " + std::to_string(end) + ", and ends ascend from " + std::to_string(former) + " to " + std::to_string(extent),
             "give each group its end");
    }
    const i64 count = std::max<i64>(end - start, 0);
    if (by_k || count > 0) ranges.push_back({static_cast<i64>(group), start, count});
    former = end;
    start = align_up(end, spec.alignment);
  }
  return ranges;
}

}  // namespace

void declare_stack(Declarations& declarations, const std::string& name, const OperandSpec& operand, i64 groups, i64 rows, i64 columns) {
  Declarations one;
  declare_operand(one, name, operand, rows, columns);
  for (InputDeclaration& declaration : one) {
    declaration.shape.insert(declaration.shape.begin(), groups);
    declarations.push_back(std::move(declaration));
  }
}

Declarations inputs_of(const GroupedGemmSpec& spec) {
  Declarations declarations;
  if (spec.layout == GroupLayout::masked) {
    declare_stack(declarations, "a", spec.a, spec.groups, spec.m, spec.k);
  } else {
    declare_operand(declarations, "a", spec.a, spec.m, spec.k);
  }
  if (spec.layout == GroupLayout::k_grouped) {
    declare_operand(declarations, "b", spec.b, spec.n, spec.k);
  } else {
    declare_stack(declarations, "b", spec.b, spec.groups, spec.n, spec.k);
  }
  const Input layout = spec.sizes ? Input(KnownIntegers{layout_of_sizes(spec, *spec.sizes)}) : *spec.group_layout;
  declarations.push_back(declare_integers("group_layout", layout, group_layout_shape(spec)));
  if (spec.c) declarations.push_back(declare_input("c", *spec.c, grouped_result_shape(spec)));
  return declarations;
}

std::vector<i64> grouped_result_shape(const GroupedGemmSpec& spec) {
  if (spec.layout == GroupLayout::masked || spec.layout == GroupLayout::k_grouped) return {spec.groups, spec.m, spec.n};
  return {spec.m, spec.n};
}

std::vector<GroupRange> group_ranges(const GroupedGemmSpec& spec, const Tensor& layout) {
  require_shape("group_layout", layout, group_layout_shape(spec));
  require_dtype("group_layout", layout, DType::I32);
  std::vector<i32> numbers(static_cast<std::size_t>(layout.lanes.count()));
  for (std::size_t i = 0; i < numbers.size(); i++) numbers[i] = static_cast<i32>(layout.lanes.get(static_cast<i64>(i)));
  switch (spec.layout) {
    case GroupLayout::contiguous: return contiguous_ranges(spec, numbers);
    case GroupLayout::masked: return masked_ranges(spec, numbers);
    default: return offset_ranges(spec, numbers);
  }
}

}  // namespace fp8lab

#include "grouped_gemm.h"

#include "../fields.h"

namespace fp8lab {

namespace {

std::vector<i64> read_sizes(Fields& spec, i64 groups) {
  const nlohmann::json& values = spec.need("sizes");
  if (!values.is_array() || static_cast<i64>(values.size()) != groups) throw bad_field("sizes", "is not a list of a size for each group");
  std::vector<i64> sizes;
  for (const nlohmann::json& value : values) sizes.push_back(Fields::integer_of(value, "sizes", 0, largest_extent));
  return sizes;
}

/** No tile may reach over groups. */
void check_tiles(const GroupedGemmSpec& spec) {
  const auto refuse_unless = [&](i64 tile, const char* path) {
    if (tile != 0 && spec.alignment % tile != 0) throw bad_field(path, "does not divide the alignment of groups");
  };
  if (spec.layout == GroupLayout::k_grouped) {
    refuse_unless(spec.a.scheme.tile_columns, "a.scheme.tile");
    refuse_unless(spec.b.scheme.tile_columns, "b.scheme.tile");
  } else if (spec.layout != GroupLayout::masked) {
    refuse_unless(spec.a.scheme.tile_rows, "a.scheme.tile");
  }
}

}  // namespace

GroupedGemmSpec GroupedGemmSpec::read(Fields& spec) {
  GroupedGemmSpec result{};
  result.layout = spec.choice<GroupLayout>("layout", {{"contiguous", GroupLayout::contiguous},
                                                      {"offsets", GroupLayout::offsets},
                                                      {"masked", GroupLayout::masked},
                                                      {"k-grouped", GroupLayout::k_grouped}});
  Fields shape = spec.object("shape");
  result.groups = read_extent(shape, "groups");
  result.m = read_extent(shape, "m");
  result.n = read_extent(shape, "n");
  result.k = read_extent(shape, "k");
  shape.done();
  result.alignment = spec.integer("alignment", 1, largest_extent);
  if (spec.has("sizes")) result.sizes = read_sizes(spec, result.groups);
  if (spec.has("groupLayout")) result.group_layout = read_input(spec.object("groupLayout"));
  if (result.sizes.has_value() == result.group_layout.has_value()) throw bad_field("sizes", "or groupLayout must be there, and not both");
  result.a = read_operand(spec.object("a"));
  result.b = read_operand(spec.object("b"));
  for (const auto& [operand, name] : {std::pair{&result.a, "a"}, std::pair{&result.b, "b"}}) {
    if (operand->scheme.format == FormatId::f32)
      throw bad_field(std::string(name) + ".scheme.format", "of a product must have at most 16 bits");
  }
  if (spec.has("c")) result.c = read_wrapped_input(spec.object("c"));
  result.arithmetic = read_arithmetic(spec.object("arithmetic"));
  result.output = read_output(spec);
  check_tiles(result);
  return result;
}

}  // namespace fp8lab

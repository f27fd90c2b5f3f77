#include "permute.h"

#include "../fields.h"

namespace fp8lab {

MovedRows MovedRows::read(Fields fields) {
  if (fields.has("scheme")) {
    const OperandSpec operand = read_operand(fields);
    if (operand.scheme.tile_rows != 1) throw bad_field(fields.at("scheme.tile[0]"), "is not 1: rows that share a scale cannot be parted");
    return {true, operand};
  }
  return {false, {{}, read_wrapped_input(fields), {}, {}}};
}

PermuteSpec PermuteSpec::read(Fields& spec) {
  Fields shape = spec.object("shape");
  PermuteSpec result{};
  result.tokens = read_extent(shape, "tokens");
  result.hidden = read_extent(shape, "hidden");
  result.experts = read_extent(shape, "experts");
  result.topk = read_extent(shape, "topk");
  shape.done();
  result.alignment = spec.integer("alignment", 1, 1 << 16);
  result.x = MovedRows::read(spec.object("x"));
  result.topk_idx = read_integers(spec.object("topkIdx"), IntegerGenerator::routing);
  return result;
}

}  // namespace fp8lab

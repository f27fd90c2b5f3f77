#include "moe_layer.h"

#include "../fields.h"

namespace fp8lab {

namespace {

void require_single_rows(const Scheme& scheme, const char* path) {
  if (scheme.tile_rows != 1) throw bad_field(path, "has tiles of several rows, and rows belong to several experts");
}

}  // namespace

MoeFields MoeFields::read(Fields& spec) {
  MoeFields result{};
  Fields shape = spec.object("shape");
  result.tokens = read_extent(shape, "tokens");
  result.hidden = read_extent(shape, "hidden");
  result.inter = read_extent(shape, "inter");
  result.experts = read_extent(shape, "experts");
  shape.done();
  result.gate = read_gate_rule(spec.object("gate"), result.experts);
  result.alignment = spec.integer("alignment", 1, 1 << 16);
  result.x = read_operand(spec.object("x"));
  require_single_rows(result.x.scheme, "x.scheme");
  result.logits = read_wrapped_input(spec.object("logits"));
  if (spec.has("bias")) result.bias = read_wrapped_input(spec.object("bias"));
  if (spec.has("mask")) result.mask = read_integers(spec.object("mask"), IntegerGenerator::mask);
  result.w13 = read_operand(spec.object("w13"));
  result.w2 = read_operand(spec.object("w2"));
  result.activation = read_scheme(spec.object("activation"));
  require_single_rows(result.activation, "activation");
  result.clamp = spec.has("clamp") ? float_bits(static_cast<float>(spec.number("clamp"))) : inf_bits;
  result.arithmetic = read_arithmetic(spec.object("arithmetic"));
  return result;
}

MoeLayerSpec MoeLayerSpec::read(Fields& spec) { return {MoeFields::read(spec), read_output(spec)}; }

MoeLayerBackwardSpec MoeLayerBackwardSpec::read(Fields& spec) {
  MoeLayerBackwardSpec result{MoeFields::read(spec), read_wrapped_input(spec.object("dy")), read_scheme(spec.object("gradient")),
                              read_scheme(spec.object("channel"))};
  require_single_rows(result.gradient, "gradient");
  if (result.channel.tile_rows == 0 || result.alignment % result.channel.tile_rows != 0 || result.channel.tile_columns != 1)
    throw bad_field("channel.tile", "is not a column of a divisor of the alignment");
  return result;
}

}  // namespace fp8lab

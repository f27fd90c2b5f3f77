#include "gemm.h"

#include "../fields.h"

namespace fp8lab {

GemmSpec GemmSpec::read(Fields& spec) {
  Fields shape = spec.object("shape");
  GemmSpec result{};
  result.m = read_extent(shape, "m");
  result.n = read_extent(shape, "n");
  result.k = read_extent(shape, "k");
  shape.done();
  result.a = read_operand(spec.object("a"));
  result.b = read_operand(spec.object("b"));
  for (const auto& [operand, name] : {std::pair{&result.a, "a"}, std::pair{&result.b, "b"}}) {
    if (operand->scheme.format == FormatId::f32)
      throw bad_field(std::string(name) + ".scheme.format", "of a product must have at most 16 bits");
  }
  if (spec.has("c")) result.c = read_wrapped_input(spec.object("c"));
  result.arithmetic = read_arithmetic(spec.object("arithmetic"));
  result.output = read_output(spec);
  return result;
}

}  // namespace fp8lab

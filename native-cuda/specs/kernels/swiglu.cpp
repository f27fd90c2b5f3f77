#include "swiglu.h"

#include "../../numerics/f32.h"
#include "../fields.h"

namespace fp8lab {

SwigluFields SwigluFields::read(Fields& spec) {
  SwigluFields result{};
  Fields shape = spec.object("shape");
  result.rows = read_extent(shape, "rows");
  result.inter = shape.integer("inter", 1, 1 << 22);
  shape.done();
  result.x = read_wrapped_input(spec.object("x"));
  result.clamp = inf_bits;
  if (spec.has("clamp")) {
    const auto clamp = static_cast<float>(spec.number("clamp"));
    if (!(clamp > 0) || std::isinf(clamp)) throw bad_field(spec.at("clamp"), "is not a finite number above 0");
    result.clamp = float_bits(clamp);
  }
  if (spec.has("weights")) result.weights = read_wrapped_input(spec.object("weights"));
  if (spec.has("rowToSlot")) result.row_to_slot = read_integers(spec.object("rowToSlot"), IntegerGenerator::routing);
  if (spec.has("scheme")) {
    result.scheme = read_scheme(spec.object("scheme"));
  } else {
    result.output = read_output(spec);
  }
  return result;
}

SwigluQuantizeSpec SwigluQuantizeSpec::read(Fields& spec) { return {SwigluFields::read(spec)}; }

SwigluBackwardSpec SwigluBackwardSpec::read(Fields& spec) {
  SwigluBackwardSpec result{SwigluFields::read(spec), {}};
  result.grad = read_wrapped_input(spec.object("grad"));
  return result;
}

}  // namespace fp8lab

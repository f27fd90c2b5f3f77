#include "requantize.h"

#include "../fields.h"

namespace fp8lab {

RequantizeSpec RequantizeSpec::read(Fields& spec) {
  Fields shape = spec.object("shape");
  RequantizeSpec result{read_extent(shape, "rows"), read_extent(shape, "columns"), read_operand(spec.object("x")), read_scheme(spec.object("to"))};
  shape.done();
  return result;
}

}  // namespace fp8lab

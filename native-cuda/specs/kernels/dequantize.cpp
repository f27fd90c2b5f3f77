#include "dequantize.h"

#include "../fields.h"

namespace fp8lab {

DequantizeSpec DequantizeSpec::read(Fields& spec) {
  Fields shape = spec.object("shape");
  DequantizeSpec result{read_extent(shape, "rows"), read_extent(shape, "columns"), read_operand(spec.object("x")), read_output(spec)};
  shape.done();
  return result;
}

}  // namespace fp8lab

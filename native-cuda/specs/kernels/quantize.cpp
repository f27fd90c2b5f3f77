#include "quantize.h"

#include "../fields.h"

namespace fp8lab {

QuantizeSpec QuantizeSpec::read(Fields& spec) {
  Fields shape = spec.object("shape");
  QuantizeSpec result{read_extent(shape, "rows"), read_extent(shape, "columns"), read_wrapped_input(spec.object("x")),
                      read_scheme(spec.object("scheme"))};
  shape.done();
  return result;
}

}  // namespace fp8lab

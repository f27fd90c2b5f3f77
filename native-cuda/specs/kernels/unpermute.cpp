#include "unpermute.h"

#include "../fields.h"

namespace fp8lab {

UnpermuteSpec UnpermuteSpec::read(Fields& spec) {
  Fields shape = spec.object("shape");
  UnpermuteSpec result{};
  result.tokens = read_extent(shape, "tokens");
  result.hidden = read_extent(shape, "hidden");
  result.topk = read_extent(shape, "topk");
  result.rows = read_extent(shape, "rows");
  shape.done();
  result.x = read_wrapped_input(spec.object("x"));
  result.slot_to_row = read_integers(spec.object("slotToRow"), IntegerGenerator::routing);
  if (spec.has("topkWeights")) result.topk_weights = read_wrapped_input(spec.object("topkWeights"));
  result.output = read_output(spec);
  return result;
}

}  // namespace fp8lab

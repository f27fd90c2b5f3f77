#include "dispatch.h"

#include "../fields.h"

namespace fp8lab {

Topology Topology::read(Fields& spec) {
  Topology result{};
  Fields shape = spec.object("shape");
  result.tokens = read_extent(shape, "tokens");
  result.hidden = read_extent(shape, "hidden");
  result.experts = read_extent(shape, "experts");
  result.topk = read_extent(shape, "topk");
  shape.done();
  result.ranks = spec.integer("ranks", 1, 1024);
  result.gpus_per_node = spec.integer("gpusPerNode", 1, 1024);
  if (result.experts % result.ranks != 0) throw bad_field(spec.at("ranks"), "does not divide the experts");
  if (result.ranks % result.gpus_per_node != 0) throw bad_field(spec.at("gpusPerNode"), "does not divide the ranks");
  return result;
}

DispatchSpec DispatchSpec::read(Fields& spec) {
  DispatchSpec result{Topology::read(spec), false, 0, {}, {}, {}};
  result.low_latency = spec.choice<bool>("layout", {{"normal", false}, {"low-latency", true}});
  result.node_limit = spec.integer("nodeLimit", 1, 1024);
  result.x = MovedRows::read(spec.object("x"));
  result.topk_idx = read_integers(spec.object("topkIdx"), IntegerGenerator::routing);
  result.topk_weights = read_wrapped_input(spec.object("topkWeights"));
  return result;
}

CombineSpec CombineSpec::read(Fields& spec) {
  CombineSpec result{Topology::read(spec), {}, 0, {}, {}, {}, {}};
  result.reduce = spec.choice<Reduce>("reduce", {{"none", Reduce::none}, {"local", Reduce::local}, {"node", Reduce::node}});
  result.rows = spec.integer("rows", 1, largest_extent);
  result.x = read_wrapped_input(spec.object("x"));
  result.slot_to_row = read_integers(spec.object("slotToRow"), IntegerGenerator::routing);
  result.topk_idx = read_integers(spec.object("topkIdx"), IntegerGenerator::routing);
  if (spec.has("topkWeights")) result.topk_weights = read_wrapped_input(spec.object("topkWeights"));
  return result;
}

}  // namespace fp8lab

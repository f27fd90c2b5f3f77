#include "balance.h"

#include "../fields.h"

namespace fp8lab {

BiasUpdateSpec BiasUpdateSpec::read(Fields& spec) {
  Fields shape = spec.object("shape");
  const i64 experts = shape.integer("experts", 1, most_experts);
  shape.done();
  const u32 gamma = float_bits(static_cast<float>(spec.number("gamma")));
  return {experts, gamma, read_wrapped_input(spec.object("bias")), read_integers(spec.object("load"), IntegerGenerator::integers)};
}

BalanceLossSpec BalanceLossSpec::read(Fields& spec) {
  BalanceLossSpec result{};
  Fields shape = spec.object("shape");
  result.tokens = read_extent(shape, "tokens");
  result.experts = shape.integer("experts", 1, most_experts);
  shape.done();
  result.score = spec.choice<Score>("score", {{"sigmoid", Score::sigmoid}, {"softmax", Score::softmax}});
  result.topk = spec.integer("topk", 1, result.experts);
  result.alpha = float_bits(static_cast<float>(spec.number("alpha")));
  result.logits = read_wrapped_input(spec.object("logits"));
  return result;
}

LoadStatisticsSpec LoadStatisticsSpec::read(Fields& spec) {
  LoadStatisticsSpec result{};
  Fields shape = spec.object("shape");
  result.tokens = read_extent(shape, "tokens");
  result.experts = shape.integer("experts", 1, most_experts);
  result.topk = shape.integer("topk", 1, most_experts);
  shape.done();
  result.topk_idx = read_integers(spec.object("topkIdx"), IntegerGenerator::routing);
  return result;
}

}  // namespace fp8lab

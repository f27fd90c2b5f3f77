#include "gate.h"

#include "../fields.h"

namespace fp8lab {

GateRule read_gate_rule(Fields fields, i64 experts) {
  GateRule rule{};
  rule.score = fields.choice<Score>(
      "score", {{"sigmoid", Score::sigmoid}, {"sqrt-softplus", Score::sqrt_softplus}, {"softmax", Score::softmax}, {"logit", Score::logit}});
  rule.groups = fields.integer("groups", 1, experts);
  if (experts % rule.groups != 0) throw bad_field(fields.at("groups"), "does not divide " + std::to_string(experts) + " experts");
  rule.topk_groups = fields.integer("topkGroups", 1, rule.groups);
  rule.topk = fields.integer("topk", 1, rule.topk_groups * (experts / rule.groups));
  rule.group_score = fields.choice<GroupScore>("groupScore", {{"top2-sum", GroupScore::top2_sum}, {"max", GroupScore::max}});
  rule.normalize =
      fields.choice<Normalize>("normalize", {{"none", Normalize::none}, {"sum", Normalize::sum}, {"softmax", Normalize::softmax}});
  rule.route_scale = float_bits(static_cast<float>(fields.number("routeScale")));
  rule.shared_experts = fields.integer("sharedExperts", 0, 64);
  fields.done();
  return rule;
}

GateSpec GateSpec::read(Fields& spec) {
  GateSpec result{};
  Fields shape = spec.object("shape");
  result.tokens = read_extent(shape, "tokens");
  result.experts = shape.integer("experts", 1, most_experts);
  shape.done();
  result.gate = read_gate_rule(spec.object("gate"), result.experts);
  result.logits = read_wrapped_input(spec.object("logits"));
  if (spec.has("bias")) result.bias = read_wrapped_input(spec.object("bias"));
  if (spec.has("mask")) result.mask = read_integers(spec.object("mask"), IntegerGenerator::mask);
  if (spec.has("indices")) result.indices = read_integers(spec.object("indices"), IntegerGenerator::routing);
  return result;
}

}  // namespace fp8lab

#pragma once

#include "../../numerics/gate.h"
#include "../operand.h"

namespace fp8lab {

class Fields;

/** Experts of a layer; the twin of mostExperts in src/specs/gate-rule.ts. */
inline constexpr i64 most_experts = 1 << 14;

/** Experts and weights of every token from its logits [tokens, experts]. */
struct GateSpec {
  static constexpr std::string_view name = "gate";
  /** Reads the fields beyond those of every spec. */
  static GateSpec read(Fields& spec);

  /** Slots of a token: chosen, then shared experts. */
  i64 slots() const { return gate.topk + gate.shared_experts; }
  /** Whether tokens choose among groups before they choose experts. */
  bool limits_groups() const { return gate.topk_groups < gate.groups && !indices; }

  i64 tokens, experts;
  GateRule gate;
  Input logits;
  /** [experts], for the choice alone. */
  std::optional<Input> bias;
  /** [tokens], 0 for tokens that go nowhere. */
  std::optional<Input> mask;
  /** [tokens, topk], the choice to replay. */
  std::optional<Input> indices;
};

/** A gate's rule; refuses what `experts` experts cannot have. */
GateRule read_gate_rule(Fields fields, i64 experts);

}  // namespace fp8lab

#pragma once

#include "gate.h"
#include "permute.h"

namespace fp8lab {

/** What the forward and the backward pass of a layer share; see src/specs/kernels/moe-layer.ts. */
struct MoeFields {
  i64 tokens, hidden, inter, experts;
  GateRule gate;
  i64 alignment;
  OperandSpec x;
  Input logits;
  std::optional<Input> bias;
  std::optional<Input> mask;
  /** [experts, 2 * inter, hidden] and [experts, hidden, inter], shared experts last. */
  OperandSpec w13, w2;
  Scheme activation;
  /** f32 bits; Inf clamps nothing. */
  u32 clamp;
  Arithmetic arithmetic;

  static MoeFields read(Fields& spec);

  /** Experts whose weights there are: the routed and the shared ones. */
  i64 all_experts() const { return experts + gate.shared_experts; }
  /** Slots of a token: the experts that it chooses, and the shared ones. */
  i64 slots() const { return gate.topk + gate.shared_experts; }
  /** Rows of the permuted tensors. */
  i64 rows() const { return permuted_rows(tokens, all_experts(), slots(), alignment); }
};

/** One FP8 mixture-of-experts layer, forward. */
struct MoeLayerSpec : MoeFields {
  static constexpr std::string_view name = "moe-layer";
  static MoeLayerSpec read(Fields& spec);

  FormatId output;
};

/** Its backward pass. */
struct MoeLayerBackwardSpec : MoeFields {
  static constexpr std::string_view name = "moe-layer-backward";
  static MoeLayerBackwardSpec read(Fields& spec);

  Input dy;
  Scheme gradient;
  Scheme channel;
};

}  // namespace fp8lab

#pragma once

#include "../operand.h"

namespace fp8lab {

class Fields;

/** What the forward and the backward pass of SwiGLU share; see src/specs/kernels/swiglu-quantize.ts. */
struct SwigluFields {
  i64 rows, inter;
  Input x;
  /** f32 bits; Inf clamps nothing. */
  u32 clamp;
  std::optional<Input> weights;
  std::optional<Input> row_to_slot;
  std::optional<Scheme> scheme;
  /** Where there is no scheme. */
  FormatId output;

  static SwigluFields read(Fields& spec);
};

/** act = silu(gate) * up, times the row's weight, to codes and scales. */
struct SwigluQuantizeSpec : SwigluFields {
  static constexpr std::string_view name = "swiglu-quantize";
  static SwigluQuantizeSpec read(Fields& spec);
};

/** Gradients of gate, up and the weights from the gradient of act. */
struct SwigluBackwardSpec : SwigluFields {
  static constexpr std::string_view name = "swiglu-backward";
  static SwigluBackwardSpec read(Fields& spec);

  Input grad;
};

}  // namespace fp8lab

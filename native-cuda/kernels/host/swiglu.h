#pragma once
// swiglu-quantize and swiglu-backward on the host.

#include "../../specs/kernels/swiglu.h"
#include "../../tensors/tensor.h"
#include "kernels.h"

namespace fp8lab::host {

/** The tensors of a pass, checked; pointers are null where there is no such tensor. */
struct SwigluOperands {
  i64 rows, inter;
  const Tensor* x;
  const Tensor* grad;
  const u32* weights;
  const u32* row_to_slot;
  u32 clamp;

  bool is_padding(i64 row) const { return row_to_slot != nullptr && row_to_slot[row] >= 0x80000000u; }
};

SwigluOperands swiglu_operands(const SwigluFields& spec, const Tensors& inputs);

/** f32 bits of act [rows, inter], times the row's weight. */
RowSource swiglu_act(const SwigluOperands& operands);

/** f32 bits of the gradients [rows, 2 * inter]: of gate, then of up. */
RowSource swiglu_gradient(const SwigluOperands& operands);

Tensors compute(const SwigluQuantizeSpec& spec, const Tensors& inputs, int threads);
Tensors compute(const SwigluBackwardSpec& spec, const Tensors& inputs, int threads);
i64 bytes_made(const SwigluQuantizeSpec& spec);
i64 bytes_made(const SwigluBackwardSpec& spec);

}  // namespace fp8lab::host

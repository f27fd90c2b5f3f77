// The inputs of the kernels that move rows, of SwiGLU, and of the whole layer.

#include "groups.h"
#include "inputs.h"

namespace fp8lab {

Declarations inputs_of(const PermuteSpec& spec) {
  Declarations declarations;
  if (spec.x.quantized) {
    declare_operand(declarations, "x", spec.x.operand, spec.tokens, spec.hidden);
  } else {
    declarations.push_back(declare_input("x", *spec.x.operand.input, {spec.tokens, spec.hidden}));
  }
  declarations.push_back(declare_integers("topk_idx", spec.topk_idx, {spec.tokens, spec.topk}));
  return declarations;
}

Declarations inputs_of(const UnpermuteSpec& spec) {
  Declarations declarations{declare_input("x", spec.x, {spec.rows, spec.hidden}),
                            declare_integers("slot_to_row", spec.slot_to_row, {spec.tokens, spec.topk})};
  if (spec.topk_weights) declarations.push_back(declare_input("topk_weights", *spec.topk_weights, {spec.tokens, spec.topk}));
  return declarations;
}

namespace {

Declarations swiglu_inputs(const SwigluFields& spec) {
  Declarations declarations{declare_input("x", spec.x, {spec.rows, 2 * spec.inter})};
  if (spec.weights) declarations.push_back(declare_input("weights", *spec.weights, {spec.rows}));
  if (spec.row_to_slot) declarations.push_back(declare_integers("row_to_slot", *spec.row_to_slot, {spec.rows}));
  return declarations;
}

}  // namespace

Declarations inputs_of(const SwigluQuantizeSpec& spec) { return swiglu_inputs(spec); }

Declarations inputs_of(const SwigluBackwardSpec& spec) {
  Declarations declarations = swiglu_inputs(spec);
  declarations.push_back(declare_input("grad", spec.grad, {spec.rows, spec.inter}));
  return declarations;
}

namespace {

Declarations layer_inputs(const MoeFields& spec) {
  Declarations declarations;
  declare_operand(declarations, "x", spec.x, spec.tokens, spec.hidden);
  declarations.push_back(declare_input("logits", spec.logits, {spec.tokens, spec.experts}));
  if (spec.bias) declarations.push_back(declare_input("bias", *spec.bias, {spec.experts}));
  if (spec.mask) declarations.push_back(declare_integers("mask", *spec.mask, {spec.tokens}));
  declare_stack(declarations, "w13", spec.w13, spec.all_experts(), 2 * spec.inter, spec.hidden);
  declare_stack(declarations, "w2", spec.w2, spec.all_experts(), spec.hidden, spec.inter);
  return declarations;
}

}  // namespace

Declarations inputs_of(const MoeLayerSpec& spec) { return layer_inputs(spec); }

Declarations inputs_of(const MoeLayerBackwardSpec& spec) {
  Declarations declarations = layer_inputs(spec);
  declarations.push_back(declare_input("dy", spec.dy, {spec.tokens, spec.hidden}));
  return declarations;
}

Declarations inputs_of(const DispatchSpec& spec) {
  Declarations declarations;
  if (spec.x.quantized) {
    declare_operand(declarations, "x", spec.x.operand, spec.all_tokens(), spec.hidden);
  } else {
    declarations.push_back(declare_input("x", *spec.x.operand.input, {spec.all_tokens(), spec.hidden}));
  }
  declarations.push_back(declare_integers("topk_idx", spec.topk_idx, {spec.all_tokens(), spec.topk}));
  declarations.push_back(declare_input("topk_weights", spec.topk_weights, {spec.all_tokens(), spec.topk}));
  return declarations;
}

Declarations inputs_of(const CombineSpec& spec) {
  Declarations declarations{declare_input("x", spec.x, {spec.rows, spec.hidden}),
                            declare_integers("slot_to_row", spec.slot_to_row, {spec.all_tokens(), spec.topk}),
                            declare_integers("topk_idx", spec.topk_idx, {spec.all_tokens(), spec.topk})};
  if (spec.topk_weights) declarations.push_back(declare_input("topk_weights", *spec.topk_weights, {spec.all_tokens(), spec.topk}));
  return declarations;
}

}  // namespace fp8lab

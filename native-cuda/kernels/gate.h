#pragma once
// The gate's tensors, whoever computes it.

#include "../specs/kernels/balance.h"
#include "../specs/kernels/gate.h"
#include "inputs.h"

namespace fp8lab {

Declarations inputs_of(const GateSpec& spec);
Declarations inputs_of(const BiasUpdateSpec& spec);
Declarations inputs_of(const BalanceLossSpec& spec);
Declarations inputs_of(const LoadStatisticsSpec& spec);

/** The gate's inputs, checked: shapes, dtypes, and that every replayed expert is there. Those the spec has not are null. */
struct GateInputs {
  const Tensor* logits;
  const Tensor* bias;
  const Tensor* mask;
  const Tensor* indices;
};

GateInputs gate_inputs(const GateSpec& spec, const Tensors& inputs);

/** Poisoned results under the contract's names; `load` is zero. */
Tensors gate_results(const GateSpec& spec);

}  // namespace fp8lab

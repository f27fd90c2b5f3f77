#pragma once
// The tensor-core models that tests name.

#include "../numerics/tensor_core.h"

namespace fp8lab::test {

inline constexpr Model hopper{ModelKind::aligned, 13, 32, StepOutput::e8m13, TermOrder::linear};
inline constexpr Model ada{ModelKind::aligned, 13, 16, StepOutput::e8m13, TermOrder::linear};

}  // namespace fp8lab::test

#pragma once
// moe-layer and moe-layer-backward on the host: other kernels, one after the other.

#include "../../specs/kernels/moe_layer.h"
#include "../groups.h"
#include "../inputs.h"

namespace fp8lab::host {

Tensors compute(const MoeLayerSpec& spec, const Tensors& inputs, int threads);
Tensors compute(const MoeLayerBackwardSpec& spec, const Tensors& inputs, int threads);
i64 bytes_made(const MoeLayerSpec& spec);
i64 bytes_made(const MoeLayerBackwardSpec& spec);

}  // namespace fp8lab::host

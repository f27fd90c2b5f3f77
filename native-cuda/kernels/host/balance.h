#pragma once
// What balances experts, on the host.

#include "../gate.h"

namespace fp8lab::host {

Tensors compute(const BiasUpdateSpec& spec, const Tensors& inputs, int threads);
Tensors compute(const BalanceLossSpec& spec, const Tensors& inputs, int threads);
Tensors compute(const LoadStatisticsSpec& spec, const Tensors& inputs, int threads);

i64 bytes_made(const BiasUpdateSpec& spec);
i64 bytes_made(const BalanceLossSpec& spec);
i64 bytes_made(const LoadStatisticsSpec& spec);

}  // namespace fp8lab::host

#pragma once
// dispatch and combine over virtual ranks, on the host.

#include "../../specs/kernels/dispatch.h"
#include "../../tensors/tensor.h"

namespace fp8lab::host {

/** Refuses a token that goes to more nodes than the spec allows, and an expert that has more slots than its block has rows. */
void require_routing(const DispatchSpec& spec, const u32* topk_idx);
/** Bytes of a token on the wire. */
i64 message_bytes(const DispatchSpec& spec, const Tensors& inputs);

Tensors compute(const DispatchSpec& spec, const Tensors& inputs, int threads);
Tensors compute(const CombineSpec& spec, const Tensors& inputs, int threads);
i64 bytes_made(const DispatchSpec& spec);
i64 bytes_made(const CombineSpec& spec);

}  // namespace fp8lab::host

#pragma once
// Rows by NCCL, between the GPUs of the ranks. The library is loaded at run time; nothing of it is needed to build.

#include <memory>
#include <string>

#include "transport.h"

namespace fp8lab::moe {

/**
 * What carries rows where `name` is `nccl`: a transport over the ranks of `control`, on at most `ctas` thread blocks of each GPU (0: NCCL's own
 * choice). Null for `host`, where `control` carries them. Throws `no-nccl` or `no-cuda-build` (kind `environment`).
 */
std::unique_ptr<Transport> wire_of(Transport& control, const std::string& name, int ctas);

}  // namespace fp8lab::moe

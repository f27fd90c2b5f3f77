#pragma once
// A resolved spec: every field filled. The twin of src/specs/types.ts.

#include <string>
#include <string_view>
#include <variant>

#include "kernels/balance.h"
#include "kernels/dequantize.h"
#include "kernels/dispatch.h"
#include "kernels/gate.h"
#include "kernels/gemm.h"
#include "kernels/grouped_gemm.h"
#include "kernels/moe_layer.h"
#include "kernels/permute.h"
#include "kernels/quantize.h"
#include "kernels/requantize.h"
#include "kernels/swiglu.h"
#include "kernels/unpermute.h"

namespace fp8lab {

/** What is computed: one of the kernels, each in a header of its own. */
using KernelSpec = std::variant<QuantizeSpec, DequantizeSpec, RequantizeSpec, GemmSpec, GroupedGemmSpec, GateSpec, BiasUpdateSpec, BalanceLossSpec, LoadStatisticsSpec,
                                PermuteSpec, UnpermuteSpec,
                                SwigluQuantizeSpec, SwigluBackwardSpec, MoeLayerSpec, MoeLayerBackwardSpec, DispatchSpec, CombineSpec>;

struct Spec {
  std::string name;
  bool large = false;
  KernelSpec kernel;
};

/** Name of a spec's kernel: `quantize`, `gemm`. */
std::string_view kernel_name(const Spec& spec);

/**
 * Reads a resolved spec from JSON. Errors, all `input`: `spec-not-json`, `missing-field`, `unknown-field`, `bad-field`, each with the
 * field's path. `file` is the spec's path, `-` for none: the files that a spec names lie relative to it.
 */
Spec parse_spec(std::string_view json, const std::string& file);

}  // namespace fp8lab

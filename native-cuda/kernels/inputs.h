#pragma once
// The input tensors of a spec: which there are, and making them. The twin of src/kernels/inputs.ts.

#include <string>
#include <vector>

#include "../specs/spec.h"
#include "../tensors/tensor.h"

namespace fp8lab {

/** A tensor a kernel reads, and where the spec says it comes from. */
struct InputDeclaration {
  std::string name;
  DType dtype;
  std::vector<i64> shape;
  Input input;
};

using Declarations = std::vector<InputDeclaration>;

/** Tensors the spec's own inputs give, before any quantization. */
Declarations declare_inputs(const Spec& spec);

/** The same of one kernel; a new kernel declares its own in a header of kernels/ that is included in inputs.cpp. */
Declarations inputs_of(const QuantizeSpec& spec);
Declarations inputs_of(const DequantizeSpec& spec);
Declarations inputs_of(const RequantizeSpec& spec);
Declarations inputs_of(const GemmSpec& spec);
Declarations inputs_of(const PermuteSpec& spec);
Declarations inputs_of(const UnpermuteSpec& spec);
Declarations inputs_of(const SwigluQuantizeSpec& spec);
Declarations inputs_of(const SwigluBackwardSpec& spec);
Declarations inputs_of(const MoeLayerSpec& spec);
Declarations inputs_of(const MoeLayerBackwardSpec& spec);
Declarations inputs_of(const DispatchSpec& spec);
Declarations inputs_of(const CombineSpec& spec);

/** A high-precision input. A file's own dtype is taken as it is; BF16 stands for it here. */
InputDeclaration declare_input(const std::string& name, const Input& input, std::vector<i64> shape);

/** An input of integers. */
InputDeclaration declare_integers(const std::string& name, const Input& input, std::vector<i64> shape);

/** An operand's tensors: one in high precision, or codes and scales. */
void declare_operand(Declarations& declarations, const std::string& name, const OperandSpec& operand, i64 rows, i64 columns);

/** Names of an operand's tensors: a gemm's `a` has `a_scales`; a kernel with one operand says `codes` and `scales`. */
struct OperandNames {
  std::string codes;
  std::string scales;
  std::string tensor_scale;
};

OperandNames operand_names(const std::string& operand);

/**
 * `given` where it holds tensors; else generates every declared input on `threads` host threads (0: all cores), or reads it from its file,
 * into `made`.
 */
const Tensors& materialize_inputs(const Spec& spec, const Tensors& given, Tensors& made, int threads = 0);

/** Rows `first_row` on of generate_tensor's tensor, along its first extent: the same codes. */
Tensor generate_rows(const GeneratedInput& input, std::vector<i64> shape, i64 first_row, i64 rows, int threads = 0);

/** A generated tensor; the last extent counts as columns. */
Tensor generate_tensor(const GeneratedInput& input, std::vector<i64> shape, int threads = 0);

/** A generated I32 tensor; the last extent counts as columns. */
Tensor generate_integers(const IntegerInput& input, std::vector<i64> shape, int threads = 0);

}  // namespace fp8lab

#pragma once
// A grouped product as products of its groups. The twin of src/kernels/grouped-gemm/products.ts.

#include "../groups.h"
#include "kernels.h"

namespace fp8lab::host {

/** The product of one group: quantized operands cut out for it, and the first of its rows of D. */
struct GroupProduct {
  GroupRange range;
  GemmSpec spec;
  Quantized a, b;
  /** C of the group; null where there is none. */
  const Tensor* c;
  i64 first_row;
};

/** Quantizes a matrix [rows, columns] among the inputs: host::quantized_operand, or its like on a device. What it gives may share the inputs. */
using QuantizeMatrix = std::function<Quantized(const std::string& name, const OperandSpec& operand, const Tensors& inputs, i64 rows, i64 columns)>;

/** Calls `use` with every group's product, ascending; it may keep nothing. */
void for_each_group(const GroupedGemmSpec& spec, const Tensors& inputs, const QuantizeMatrix& quantize,
                    const std::function<void(const GroupProduct&)>& use);

/** D of all groups, zeros so far. */
Tensor zero_result(const GroupedGemmSpec& spec);

/** Puts a group's D in its place. */
void place_group(const GroupProduct& product, const Tensor& d, Tensor& all);

/** The inputs of one matrix of a stack [groups, rows, columns], as an operand [rows, columns] has them; copies. */
Tensors layer_inputs(const std::string& name, const OperandSpec& operand, const Tensors& inputs, i64 group, i64 groups, i64 rows, i64 columns);

/** Whether an operand is quantized here: it has neither codes nor scales. */
bool is_high_precision(const std::string& name, const OperandSpec& operand, const Tensors& inputs);

/** A matrix with zeros in the rows, or the columns, outside the ranges. */
Tensor zero_outside(const Tensor& x, const std::vector<GroupRange>& ranges, bool columns);

Tensors compute(const GroupedGemmSpec& spec, const Tensors& inputs, int threads);
i64 bytes_made(const GroupedGemmSpec& spec);

}  // namespace fp8lab::host

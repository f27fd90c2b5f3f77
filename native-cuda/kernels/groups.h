#pragma once
// How groups lie in the tensors of a grouped product. The twin of src/kernels/grouped-gemm/layout.ts.

#include "inputs.h"

namespace fp8lab {

/** What belongs to a group: rows of A, or columns of A and B where the layout is `k_grouped`. */
struct GroupRange {
  i64 group;
  i64 start;
  i64 count;
};

Declarations inputs_of(const GroupedGemmSpec& spec);

/** Declarations of a stack of matrices [groups, rows, columns], each an operand of its own. */
void declare_stack(Declarations& declarations, const std::string& name, const OperandSpec& operand, i64 groups, i64 rows, i64 columns);

/** Shape of C and D. */
std::vector<i64> grouped_result_shape(const GroupedGemmSpec& spec);

/** The ranges that `group_layout` describes, ascending; groups without rows are left out, those without k are not. Refuses what no kernel can mean. */
std::vector<GroupRange> group_ranges(const GroupedGemmSpec& spec, const Tensor& layout);

}  // namespace fp8lab

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

/** Shape of C and D. */
std::vector<i64> grouped_result_shape(const GroupedGemmSpec& spec);

/** The ranges that `group_layout` describes, ascending; groups without rows are left out, those without k are not. Refuses what no kernel can mean. */
std::vector<GroupRange> group_ranges(const GroupedGemmSpec& spec, const Tensor& layout);

}  // namespace fp8lab

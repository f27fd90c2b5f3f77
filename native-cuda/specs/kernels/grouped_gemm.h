#pragma once

#include <vector>

#include "../operand.h"

namespace fp8lab {

class Fields;

/** How groups lie in A (`k_grouped`: along k of A and B both). */
enum class GroupLayout : u8 { contiguous, offsets, masked, k_grouped };

/** D = C + A * B^T, group by group: docs/numerics.md, "Grouped products". */
struct GroupedGemmSpec {
  static constexpr std::string_view name = "grouped-gemm";
  /** Reads the fields beyond those of every spec. */
  static GroupedGemmSpec read(Fields& spec);

  GroupLayout layout;
  /** m and k of A, all groups together (`masked`: of one). */
  i64 groups, m, n, k;
  /** Groups begin at multiples of this row, or k. */
  i64 alignment;
  /** Rows, or k, of each group; absent where `group_layout` is a file's. */
  std::optional<std::vector<i64>> sizes;
  std::optional<Input> group_layout;
  OperandSpec a, b;
  std::optional<Input> c;
  Arithmetic arithmetic;
  FormatId output;
};

}  // namespace fp8lab

#pragma once

#include "../operand.h"

namespace fp8lab {

class Fields;

/** D = C + A * B^T with A [m, k], B [n, k]. */
struct GemmSpec {
  static constexpr std::string_view name = "gemm";
  /** Reads the fields beyond those of every spec. */
  static GemmSpec read(Fields& spec);

  i64 m, n, k;
  OperandSpec a, b;
  std::optional<Input> c;
  Arithmetic arithmetic;
  FormatId output;
};

}  // namespace fp8lab

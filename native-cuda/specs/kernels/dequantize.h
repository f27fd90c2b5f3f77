#pragma once

#include "../operand.h"

namespace fp8lab {

class Fields;

/** Codes and scales back to x [rows, columns] in `output`. */
struct DequantizeSpec {
  static constexpr std::string_view name = "dequantize";
  /** Reads the fields beyond those of every spec. */
  static DequantizeSpec read(Fields& spec);

  i64 rows, columns;
  OperandSpec x;
  FormatId output;
};

}  // namespace fp8lab

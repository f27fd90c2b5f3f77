#pragma once

#include "../operand.h"

namespace fp8lab {

class Fields;

/** Codes and scales of `x.scheme` to codes and scales of `to`. */
struct RequantizeSpec {
  static constexpr std::string_view name = "requantize";
  /** Reads the fields beyond those of every spec. */
  static RequantizeSpec read(Fields& spec);

  i64 rows, columns;
  OperandSpec x;
  Scheme to;
};

}  // namespace fp8lab

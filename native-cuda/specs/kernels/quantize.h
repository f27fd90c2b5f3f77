#pragma once

#include "../operand.h"

namespace fp8lab {

class Fields;

/** x [rows, columns] to codes and scales. */
struct QuantizeSpec {
  static constexpr std::string_view name = "quantize";
  /** Reads the fields beyond those of every spec. */
  static QuantizeSpec read(Fields& spec);

  i64 rows, columns;
  Input x;
  Scheme scheme;
};

}  // namespace fp8lab

#pragma once

#include "../operand.h"

namespace fp8lab {

class Fields;

/** The way back of permute: every token is the sum of its slots' rows. */
struct UnpermuteSpec {
  static constexpr std::string_view name = "unpermute";
  /** Reads the fields beyond those of every spec. */
  static UnpermuteSpec read(Fields& spec);

  i64 tokens, hidden, topk, rows;
  Input x;
  Input slot_to_row;
  std::optional<Input> topk_weights;
  FormatId output;
};

}  // namespace fp8lab

#pragma once

#include "../operand.h"

namespace fp8lab {

class Fields;

/** Rows that are moved as they are (`operand.input` alone), or with their scales. */
struct MovedRows {
  bool quantized;
  /** Its scheme has no meaning where the rows are not quantized. */
  OperandSpec operand;

  static MovedRows read(Fields fields);
};

/** Tokens sorted by expert; see src/specs/kernels/permute.ts. */
struct PermuteSpec {
  static constexpr std::string_view name = "permute";
  /** Reads the fields beyond those of every spec. */
  static PermuteSpec read(Fields& spec);

  i64 tokens, hidden, experts, topk;
  i64 alignment;
  MovedRows x;
  Input topk_idx;
};

/** Rows that are enough for every routing, a multiple of `alignment`. */
constexpr i64 permuted_rows(i64 tokens, i64 experts, i64 topk, i64 alignment) {
  const i64 slots = tokens * topk;
  const i64 padded = slots + least(experts, slots) * (alignment - 1);
  return padded - padded % alignment;
}

}  // namespace fp8lab

#pragma once
// What balances experts: the bias of each, a loss, and what is counted.

#include "../../numerics/gate.h"
#include "../operand.h"
#include "gate.h"

namespace fp8lab {

/** Each bias moved by gamma against its load. */
struct BiasUpdateSpec {
  static constexpr std::string_view name = "bias-update";
  static BiasUpdateSpec read(Fields& spec);

  i64 experts;
  /** f32 bits. */
  u32 gamma;
  Input bias, load;
};

/** The balance loss of one sequence. */
struct BalanceLossSpec {
  static constexpr std::string_view name = "balance-loss";
  static BalanceLossSpec read(Fields& spec);

  i64 tokens, experts;
  Score score;
  i64 topk;
  /** f32 bits. */
  u32 alpha;
  Input logits;
};

/** Loads of experts from the experts of tokens [tokens, topk]. */
struct LoadStatisticsSpec {
  static constexpr std::string_view name = "load-statistics";
  static LoadStatisticsSpec read(Fields& spec);

  i64 tokens, experts, topk;
  Input topk_idx;
};

}  // namespace fp8lab

#pragma once

#include "permute.h"

namespace fp8lab {

/** Virtual ranks: GPUs with NVLink inside a node and IB between nodes; experts lie on ranks evenly, in order. */
struct Topology {
  /** Of a rank. */
  i64 tokens;
  i64 hidden, experts, topk;
  i64 ranks, gpus_per_node;

  static Topology read(Fields& spec);

  i64 all_tokens() const { return ranks * tokens; }
  i64 rank_of(u32 expert) const { return expert / (experts / ranks); }
  i64 node_of(i64 rank) const { return rank / gpus_per_node; }
};

/** Tokens to the ranks of their experts; see src/specs/kernels/dispatch.ts. */
struct DispatchSpec : Topology {
  static constexpr std::string_view name = "dispatch";
  static DispatchSpec read(Fields& spec);

  bool low_latency;
  i64 node_limit;
  MovedRows x;
  Input topk_idx;
  Input topk_weights;

  /** Rows of the result for every routing. */
  i64 rows() const { return low_latency ? experts * all_tokens() : all_tokens() * least(topk, ranks); }
};

/** The way back of dispatch. */
struct CombineSpec : Topology {
  static constexpr std::string_view name = "combine";
  static CombineSpec read(Fields& spec);

  /** Levels that round sums to bf16: none, on the rank, there and on the node. */
  enum class Reduce : u8 { none, local, node };
  Reduce reduce;
  i64 rows;
  Input x;
  Input slot_to_row;
  Input topk_idx;
  std::optional<Input> topk_weights;
};

}  // namespace fp8lab

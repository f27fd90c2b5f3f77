#pragma once
// Rows on their way: what a rank sends of its tokens, and what comes back.

#include "../kernels/host/kernels.h"
#include "slices.h"
#include "transport.h"

namespace fp8lab::moe {

/** A matrix of codes with scales that are one row a row: [rows, columns] and [rows, tile columns], row-major codes of the scale type. */
struct WireRows {
  i64 rows = 0, columns = 0, scale_columns = 0;
  int code_bytes = 1, scale_bytes = 4;
  Bytes codes;
  Bytes scales;
};

/** A quantized matrix as wire rows. */
WireRows to_wire(const host::Quantized& quantized, const Scheme& scheme);

/** Wire rows as tensors `codes` and `scales` of the scheme in row-major layout. */
void enter_wire(const WireRows& rows, const Scheme& scheme, Tensors& tensors);

/** Tokens that came to this rank: their experts, counted from this rank's first, and their rows. */
struct Arrivals {
  /** [tokens, slots]; `nowhere` where the expert lies elsewhere. */
  std::vector<u32> experts;
  /** Tokens of each source rank. */
  std::vector<i64> from;
  WireRows rows;
};

/** Where slots of this rank's tokens go: the owner of each slot's expert, -1 for none. */
std::vector<int> slot_owners(const u32* topk_idx, i64 slots, i64 experts, int ranks);

/** Messages to every rank: each token once where one of its experts lies there, with its slots' experts, codes and scales. */
Parts pack_tokens(const WireRows& rows, const u32* topk_idx, const std::vector<int>& owners, i64 topk, int ranks);

/** The other end of pack_tokens: tokens in the order of their source ranks. `shape` has the extents of a row. */
Arrivals unpack_tokens(const Parts& parts, const WireRows& shape, i64 topk, const Share& experts);

}  // namespace fp8lab::moe

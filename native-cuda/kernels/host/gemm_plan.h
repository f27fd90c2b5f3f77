#pragma once
// How a product is worked off on the host: its k-blocks, the order of k within them, and which inner loop can hold its sums exactly.

#include <vector>

#include "lanes.h"
#include "product_side.h"

namespace fp8lab::host {

/** Which inner loop sums a block: the vector kernels of lanes.h, or the model itself, one output at a time. */
enum class Path : u8 { aligned, exact, sequential, single };

/** One k-block: k [start, start + count), packed from `offset` on as `steps` fused sums of `terms` products. */
struct BlockPlan {
  i64 start;
  i64 count;
  i64 offset;
  i64 steps;
  i64 terms;
};

struct GemmPlan {
  const Side& a;
  const Side& b;
  Arithmetic arithmetic;
  Model model;
  FormatId output;
  Path path;
  std::vector<BlockPlan> blocks;
  /** The k at each packed place, or -1 for a zero. */
  std::vector<i64> order;
  i64 packed_k;
  i64 terms_in_i32;
  /** Bits of the window that holds every product of an exact sum, and the weight of its last bit. */
  int window_bits;
  int window_low;
};

GemmPlan plan_gemm(const GemmSpec& spec, const Side& a, const Side& b);

/** The sum of one block for one output by the model itself; f32 bits. */
u32 single_sum(const GemmPlan& plan, const BlockPlan& block, i64 row, i64 column);

}  // namespace fp8lab::host

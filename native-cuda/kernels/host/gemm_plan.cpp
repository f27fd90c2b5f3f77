#include "gemm_plan.h"

#include <algorithm>

namespace fp8lab::host {

namespace {

/** Lays a block's k out as the model sums them. */
void add_aligned_block(GemmPlan& plan, BlockPlan block) {
  block.terms = std::min(plan.model.terms, block.count);
  block.terms += block.terms % 2;
  for (i64 step = 0; step < step_count(plan.model, block.count); step++) {
    const i64 size = step_size(plan.model, block.count, step);
    if (size == 0) continue;
    block.steps++;
    for (i64 i = 0; i < block.terms; i++) plan.order.push_back(i < size ? block.start + step_index(plan.model, step, i) : -1);
  }
  plan.blocks.push_back(block);
}

void add_blocks(GemmPlan& plan, i64 k) {
  const i64 step = plan.arithmetic.promote_every == 0 ? k : plan.arithmetic.promote_every;
  for (i64 start = 0; start < k; start += step) {
    const BlockPlan block{start, std::min(step, k - start), static_cast<i64>(plan.order.size()), 0, 0};
    if (plan.model.kind == ModelKind::aligned) {
      add_aligned_block(plan, block);
    } else {
      for (i64 i = 0; i < block.count; i++) plan.order.push_back(block.start + i);
      plan.blocks.push_back(block);
    }
  }
  plan.packed_k = static_cast<i64>(plan.order.size());
}

/**
 * Whether the vector kernel's floats hold an aligned model's sums: every product a normal float, every power of two it scales by one too,
 * no sum past the range, and at least one term to an i32. The ranges are those of the values at hand, so that bf16 passes where it is sane.
 */
bool fits_aligned(const GemmPlan& plan, int low, int high, int own) {
  const int fraction_bits = plan.model.fraction_bits;
  const int count_bits = bit_length(static_cast<u64>(plan.blocks.front().count));
  const int top = high + 2 + count_bits;
  return fraction_bits <= 28 && low - own >= -126 && low >= fraction_bits - 126 && top <= 126;
}

Path choose_path(const GemmPlan& plan, int low, int high, int own) {
  switch (plan.model.kind) {
    case ModelKind::sequential: return Path::sequential;
    case ModelKind::exact: return plan.window_bits <= 53 ? Path::exact : Path::single;
    case ModelKind::aligned: return fits_aligned(plan, low, high, own) ? Path::aligned : Path::single;
  }
  return Path::single;
}

__extension__ using Wide = __int128;

/** An exact sum of finite terms in 128 bits, for windows that fit. */
u32 wide_exact_sum(const GemmPlan& plan, const BlockPlan& block, i64 row, i64 column, int own) {
  Wide sum = 0;
  for (i64 k = block.start; k < block.start + block.count; k++) {
    const Term term = product(plan.a.table.operands[plan.a.code(row, k)], plan.b.table.operands[plan.b.code(column, k)]);
    if (term.significand != 0) sum += static_cast<Wide>(term.significand) * (Wide{1} << (term.exponent - own - plan.window_low));
  }
  const bool negative = sum < 0;
  const Wide magnitude = negative ? -sum : sum;
  const u64 high = static_cast<u64>(magnitude >> 64);
  const int cut = high == 0 ? std::max(bit_length(static_cast<u64>(magnitude)) - 62, 0) : bit_length(high) + 2;
  // Cut to 62 bits with the rest folded into the last: rounded to odd, then once to nearest.
  const Wide kept = magnitude >> cut;
  const bool rest = (kept << cut) != magnitude;
  const i64 value = static_cast<i64>(kept) | (rest ? 1 : 0);
  return round_step(negative ? -value : value, plan.window_low + cut, StepOutput::f32_rne);
}

}  // namespace

GemmPlan plan_gemm(const GemmSpec& spec, const Side& a, const Side& b) {
  GemmPlan plan{a, b, spec.arithmetic, spec.arithmetic.model, spec.output, Path::single, {}, {}, 0, 1, 0, 0};
  add_blocks(plan, spec.k);
  const int own = a.format.mantissa_bits + b.format.mantissa_bits;
  const bool any = a.range.high >= a.range.low && b.range.high >= b.range.low;
  const int low = any ? a.range.low + b.range.low : 0;
  const int high = any ? a.range.high + b.range.high : 0;
  plan.window_low = low - own;
  plan.window_bits = high + 2 - plan.window_low + bit_length(static_cast<u64>(plan.blocks.front().count));
  plan.path = choose_path(plan, low, high, own);
  // Truncated terms are at most 2^(fraction bits + 2) - 1: products are below 4 * 2^exponent.
  plan.terms_in_i32 = plan.model.fraction_bits > 28 ? 1 : i64{1} << (29 - plan.model.fraction_bits);
  return plan;
}

u32 single_sum(const GemmPlan& plan, const BlockPlan& block, i64 row, i64 column) {
  const int own = plan.a.format.mantissa_bits + plan.b.format.mantissa_bits;
  const auto term = [&](i64 k) {
    return product(plan.a.table.operands[plan.a.code(row, block.start + k)], plan.b.table.operands[plan.b.code(column, block.start + k)]);
  };
  if (plan.model.kind == ModelKind::aligned) return aligned_block(plan.model, own, block.count, term);
  const bool special = plan.a.range.special || plan.b.range.special;
  return special || plan.window_bits > 126 ? exact_block(own, block.count, term) : wide_exact_sum(plan, block, row, column, own);
}

}  // namespace fp8lab::host

// gemm on the host. Rows of A against groups of 16 rows of B: both are packed as floats with their exponents, k in the model's own order
// and every fused sum filled up with zeros, which take no part. The vector kernels sum whole groups; values they cannot hold exactly go one
// by one through the model.

#include <algorithm>
#include <vector>

#include "../../errors.h"
#include "gemm_plan.h"
#include "parallel.h"

namespace fp8lab::host {

namespace {

/** Rows that meet a block of B together: their sums and a strip of A stay in the near caches. */
constexpr i64 row_chunk = 64;
/** Most bytes of packed A at a time. */
constexpr i64 panel_bytes = i64{1} << 28;

/** Packed rows [first, first + rows) of A. */
struct Panel {
  i64 first;
  i64 rows;
  i64 stride;
  std::vector<float> values;
  std::vector<std::int16_t> exponents;
  /** [rows][blocks]: whether an Inf or NaN is among the row's values of the block. */
  std::vector<u8> special;
};

/** A group of rows of B, packed [k][group]; rows past the last are zeros. */
struct ColumnGroup {
  i64 first;
  i64 count;
  std::vector<float> values;
  std::vector<std::int16_t> exponents;
  std::vector<u8> special;
};

bool has_special(const Side& side, i64 row, const BlockPlan& block) {
  for (i64 k = block.start; k < block.start + block.count; k++) {
    if (side.table.operands[side.code(row, k)].special != Special::none) return true;
  }
  return false;
}

/** Sequential sums take Inf and NaN as floats do; the others are done again where there are any. */
const std::vector<float>& packed_values(const Side& side, const GemmPlan& plan) {
  return plan.path == Path::sequential ? side.table.values : side.table.finite_values;
}

Panel pack_panel(const Side& a, const GemmPlan& plan, i64 first, i64 rows, int threads) {
  const i64 stride = plan.packed_k;
  const auto blocks = static_cast<i64>(plan.blocks.size());
  Panel panel{first, rows, stride, {}, {}, {}};
  panel.values.resize(static_cast<std::size_t>(rows * stride));
  panel.exponents.resize(plan.path == Path::aligned ? panel.values.size() : 0);
  panel.special.resize(static_cast<std::size_t>(a.range.special ? rows * blocks : 0));
  const std::vector<float>& values = packed_values(a, plan);
  parallel_for(threads, rows, [&](i64 r) {
    with_codes(a.tensor.lanes, [&](const auto* codes) {
      const auto* row = codes + (first + r) * a.k();
      for (i64 i = 0; i < stride; i++) {
        const i64 k = plan.order[static_cast<std::size_t>(i)];
        const auto at = static_cast<std::size_t>(r * stride + i);
        panel.values[at] = k < 0 ? 0.0f : values[row[k]];
        if (!panel.exponents.empty()) panel.exponents[at] = k < 0 ? zero_exponent : a.table.exponents[row[k]];
      }
    });
    for (i64 block = 0; a.range.special && block < blocks; block++) {
      panel.special[static_cast<std::size_t>(r * blocks + block)] = has_special(a, first + r, plan.blocks[static_cast<std::size_t>(block)]);
    }
  });
  return panel;
}

ColumnGroup pack_group(const Side& b, const GemmPlan& plan, i64 first) {
  ColumnGroup columns{first, std::min<i64>(group, b.tensor.shape[0] - first), {}, {}, {}};
  columns.values.assign(static_cast<std::size_t>(plan.packed_k * group), 0.0f);
  columns.exponents.assign(plan.path == Path::aligned ? columns.values.size() : 0, zero_exponent);
  const std::vector<float>& values = packed_values(b, plan);
  with_codes(b.tensor.lanes, [&](const auto* codes) {
    for (i64 i = 0; i < plan.packed_k; i++) {
      const i64 k = plan.order[static_cast<std::size_t>(i)];
      if (k < 0) continue;
      for (i64 column = 0; column < columns.count; column++) {
        const auto code = codes[(first + column) * b.k() + k];
        columns.values[static_cast<std::size_t>(i * group + column)] = values[code];
        if (!columns.exponents.empty()) {
          columns.exponents[static_cast<std::size_t>(((i / 2) * group + column) * 2 + i % 2)] = b.table.exponents[code];
        }
      }
    }
  });
  for (const BlockPlan& block : plan.blocks) {
    bool special = false;
    for (i64 column = 0; b.range.special && column < columns.count; column++) special = special || has_special(b, first + column, block);
    columns.special.push_back(special);
  }
  return columns;
}

/** The sums of one block for rows [row, row + rows) of a panel against a group, by the vector kernels. */
void vector_block(const GemmPlan& plan, const BlockPlan& block, const Panel& panel, const ColumnGroup& columns, i64 row, i64 rows,
                  float* partial) {
  const float* a = panel.values.data() + row * panel.stride + block.offset;
  const float* b = columns.values.data() + block.offset * group;
  if (plan.path == Path::aligned) {
    lane_ops().aligned({a, panel.exponents.data() + row * panel.stride + block.offset, panel.stride, rows, b,
                        columns.exponents.data() + block.offset * group, block.steps, block.terms, plan.model.fraction_bits,
                        plan.model.output, plan.terms_in_i32, partial});
  } else if (plan.path == Path::exact) {
    lane_ops().exact({a, panel.stride, rows, b, block.count, partial});
  } else {
    lane_ops().sequential({a, panel.stride, rows, b, block.count, partial});
  }
}

/** The sums of one block. Rows and groups with an Inf or NaN, and models or ranges the vector kernels do not hold, go one by one. */
void block_sums(const GemmPlan& plan, std::size_t index, const Panel& panel, const ColumnGroup& columns, i64 row, i64 rows,
                float* partial) {
  const BlockPlan& block = plan.blocks[index];
  if (plan.path != Path::single) vector_block(plan, block, panel, columns, row, rows, partial);
  if (plan.path == Path::sequential) return;
  const bool every = plan.path == Path::single || columns.special[index] != 0;
  if (!every && panel.special.empty()) return;
  for (i64 r = 0; r < rows; r++) {
    if (!every && panel.special[static_cast<std::size_t>(row + r) * plan.blocks.size() + index] == 0) continue;
    for (i64 column = 0; column < columns.count; column++) {
      partial[r * group + column] = bits_float(single_sum(plan, block, panel.first + row + r, columns.first + column));
    }
  }
}

/** Rounds sums to the output, adding C where there is one. */
void finish(const GemmPlan& plan, const RowSource* c, const ColumnGroup& columns, i64 first_row, i64 rows, const float* sums, Tensor& d) {
  u32 words[group], added[group];
  for (i64 r = 0; r < rows; r++) {
    const i64 row = first_row + r;
    if (c != nullptr) (*c)(row, columns.first, columns.count, added);
    for (i64 i = 0; i < columns.count; i++) {
      const u32 product = canonical_bits(sums[r * group + i]);
      words[i] = c == nullptr ? product : add_bits(added[i], product);
    }
    narrow(words, columns.count, plan.output, d.lanes, row * d.shape[1] + columns.first);
  }
}

/** Rows [from, to) of a panel against one group of columns, all k. */
void multiply(const GemmPlan& plan, const Panel& panel, const ColumnGroup& columns, i64 from, i64 to, const RowSource* c, Tensor& d) {
  alignas(64) float sums[row_chunk * group];
  alignas(64) float partial[row_chunk * group];
  alignas(64) float scale_b[group] = {};
  float scale_a[row_chunk];
  for (i64 row = from; row < to; row += row_chunk) {
    const i64 rows = std::min(row_chunk, to - row);
    std::fill_n(sums, rows * group, 0.0f);
    for (std::size_t index = 0; index < plan.blocks.size(); index++) {
      const i64 start = plan.blocks[index].start;
      block_sums(plan, index, panel, columns, row, rows, partial);
      for (i64 r = 0; r < rows; r++) scale_a[r] = plan.a.factor(panel.first + row + r, start);
      for (i64 i = 0; i < columns.count; i++) scale_b[i] = plan.b.factor(columns.first + i, start);
      lane_ops().promote(plan.arithmetic, sums, partial, scale_a, scale_b, rows);
    }
    finish(plan, c, columns, panel.first + row, rows, sums, d);
  }
}

}  // namespace

Tensor gemm(const GemmSpec& spec, const Quantized& a, const Quantized& b, const Tensor* c, int threads) {
  const Side side_a = product_side(a, spec.a.scheme, threads);
  const Side side_b = product_side(b, spec.b.scheme, threads);
  const GemmPlan plan = plan_gemm(spec, side_a, side_b);
  if (c != nullptr) require_shape("c", *c, {spec.m, spec.n});
  const RowSource added = c == nullptr ? RowSource() : widened(*c);
  Tensor d = allocate_result(dtype_of(spec.output), {spec.m, spec.n});
  const i64 groups = (spec.n + group - 1) / group;
  const i64 panel_rows = std::clamp(panel_bytes / (plan.packed_k * 6), row_chunk, std::max(row_chunk, spec.m));
  for (i64 first = 0; first < spec.m; first += panel_rows) {
    const Panel panel = pack_panel(side_a, plan, first, std::min(panel_rows, spec.m - first), threads);
    // Few groups leave cores idle: their rows are then shared out too, at the cost of packing a group more than once.
    const i64 wanted = 4 * thread_count(threads);
    const i64 slices = std::clamp<i64>((wanted + groups - 1) / groups, 1, (panel.rows + row_chunk - 1) / row_chunk);
    parallel_for(threads, groups * slices, [&](i64 task) {
      const ColumnGroup columns = pack_group(side_b, plan, task / slices * group);
      const i64 slice = task % slices;
      multiply(plan, panel, columns, panel.rows * slice / slices, panel.rows * (slice + 1) / slices, c == nullptr ? nullptr : &added, d);
    });
  }
  return d;
}

}  // namespace fp8lab::host

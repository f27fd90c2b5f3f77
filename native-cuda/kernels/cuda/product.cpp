#include "product.h"

#include <cuda_runtime.h>

#include <algorithm>
#include <cstdlib>

#include "../tiles.h"
#include "api.h"
#include "check.h"

namespace fp8lab::cuda {

namespace {

using host::GroupProduct;
using host::Quantized;

i64 round_to(i64 value, i64 unit) { return (value + unit - 1) / unit * unit; }

/** Whether a scheme's scales are constant along each 128 of k. */
bool constant_along_steps(const Scheme& scheme, i64 k) {
  return scheme.tile_columns == 0 || scheme.tile_columns % block_k == 0 || scheme.tile_columns >= k;
}

/** Whether the wgmma kernel computes exactly this arithmetic, on operands of these schemes. */
bool is_wgmma(const Arithmetic& arithmetic, const Scheme& a, const Scheme& b, i64 k) {
  const Model& model = arithmetic.model;
  const bool step = model.kind == ModelKind::aligned && model.fraction_bits == 13 && model.terms == 32 && model.output == StepOutput::e8m13 &&
                    model.order == TermOrder::linear;
  const bool promotion = arithmetic.promote_every == block_k && arithmetic.combine == Combine::scales_first && arithmetic.promote == Promote::fused;
  const auto is_fp8 = [](FormatId format) { return format == FormatId::e4m3 || format == FormatId::e5m2; };
  const bool formats = is_fp8(a.format) && is_fp8(b.format);
  return step && promotion && formats && constant_along_steps(a, k) && constant_along_steps(b, k);
}

bool fits_int(i64 m, i64 n, i64 k) { return std::max({m, n, k}) < 0x7fffffff - 256; }

/** What a launch is made of; its kernel may give f32 where the output is narrower. */
struct Form {
  ScalesB scales_b;
  FormatId output;
};

/** A scale of B for each 128 rows where its tiles allow; with e5m2 there are fewer kernels, and row scales and f32 hold all that they leave out. */
Form form_of(const Scheme& a, const Scheme& b, i64 n, FormatId output) {
  const bool blocks = b.tile_rows == 128 || (b.tile_rows == 0 && n <= 128), narrow = output == FormatId::bf16;
  const bool every = a.format == FormatId::e4m3 && b.format == FormatId::e4m3;
  const Form wanted{blocks ? ScalesB::block : ScalesB::row, narrow ? FormatId::bf16 : FormatId::f32};
  return every || (blocks && narrow) ? wanted : Form{ScalesB::row, FormatId::f32};
}

/** An operand as the wgmma kernel reads it: codes [layer, row, k] and scales [layer, step, row], put together of parts; zeros where there is none. */
class WgmmaOperand {
 public:
  WgmmaOperand(FormatId format, i64 layers, i64 rows, i64 k, ScalesB scales, const std::string& where)
      : where_(where), rows_(rows), rows_per_scale_(scales == ScalesB::block ? 128 : 1), steps_(ceil_div(static_cast<int>(k), block_k)) {
    operand_.format = format;
    operand_.stride = round_to(k, 16);
    operand_.scale_stride = round_to((rows + rows_per_scale_ - 1) / rows_per_scale_, 4);
    codes_ = Buffer(layers * rows * operand_.stride, where);
    check(cudaMemset(codes_.as(), 0, static_cast<std::size_t>(layers * rows * operand_.stride)), "cudaMemset", where);
    scales_.resize(static_cast<std::size_t>(layers * steps_ * operand_.scale_stride));
  }

  /** Puts a matrix at a row and a multiple of 128 along k. */
  void add(const Quantized& part, const Scheme& scheme, i64 layer, i64 row, i64 k) {
    const i64 rows = part.codes->shape[0], columns = part.codes->shape[1];
    u8* to = codes_.as<u8>() + (layer * rows_ + row) * operand_.stride + k;
    const auto width = static_cast<std::size_t>(columns);
    check(cudaMemcpy2D(to, static_cast<std::size_t>(operand_.stride), part.codes->lanes.data(), width, width, static_cast<std::size_t>(rows),
                       cudaMemcpyHostToDevice),
          "cudaMemcpy2D", where_);
    const TileGrid grid = tile_grid(rows, columns, scheme);
    const std::vector<u32> factors = host::tile_factors(part, scheme);
    const i64 count = (rows + rows_per_scale_ - 1) / rows_per_scale_, first = row / rows_per_scale_;
    for (i64 step = 0; step * block_k < columns; step++) {
      u32* scales = scales_.data() + (layer * steps_ + k / block_k + step) * operand_.scale_stride + first;
      for (i64 i = 0; i < count; i++) {
        scales[i] = factors[static_cast<std::size_t>(i * rows_per_scale_ / grid.tile_rows * grid.columns + step * block_k / grid.tile_columns)];
      }
    }
  }

  GemmOperand on_device() {
    uploaded_ = upload(scales_.data(), static_cast<i64>(scales_.size()) * 4, where_);
    operand_.codes = codes_.as<u8>();
    operand_.scales = uploaded_.as<float>();
    return operand_;
  }

 private:
  std::string where_;
  i64 rows_;
  i64 rows_per_scale_;
  i64 steps_;
  GemmOperand operand_;
  Buffer codes_;
  std::vector<u32> scales_;
  Buffer uploaded_;
};

/** The tile that FP8LAB_TILE names in place of the planner's, for tests and for tuning; null without it. */
const TileShape* wanted_tile(const std::string& where) {
  const char* name = std::getenv("FP8LAB_TILE");
  if (name == nullptr) return nullptr;
  std::string known;
  for (const TileShape& tile : gemm_tiles()) {
    if (tile_text(tile) == name) return &tile;
    known += (known.empty() ? "" : "; ") + tile_text(tile);
  }
  throw Error(ErrorKind::usage, "bad-value", std::string("FP8LAB_TILE names no tile: ") + name, where, "use one of: " + known);
}

/** Launches a product and brings D [shape] back, rows of all layers together; rows of no group hold anything. */
Tensor launch_wgmma(GemmLaunch launch, FormatId output, std::vector<i64> shape, const Tensor* c) {
  const std::string& where = launch.where;
  const bool narrow = launch.output == FormatId::bf16;
  const i64 n = shape.back(), rows = element_count(shape) / n, width = narrow ? 2 : 4;
  launch.d_stride = round_to(n, narrow ? 8 : 4);
  launch.tile = wanted_tile(where);
  const Buffer d(rows * launch.d_stride * width, where);
  launch.d = d.as();
  Buffer added;
  Matrix accumulated;
  if (c != nullptr) {
    accumulated = upload_matrix(*c, where);
    added = Buffer(rows * n * 4, where);
    launch_dequantize(accumulated.view, added.as(), FormatId::f32, nullptr, where);
    launch.problem.c = added.as<float>();
  }
  launch_gemm(launch, nullptr);
  finish(where);
  d.require_guard(where);
  Tensor result = allocate_result(narrow ? DType::BF16 : DType::F32, shape);
  check(cudaMemcpy2D(result.lanes.data(), static_cast<std::size_t>(n * width), d.as(), static_cast<std::size_t>(launch.d_stride * width),
                     static_cast<std::size_t>(n * width), static_cast<std::size_t>(rows), cudaMemcpyDeviceToHost),
        "cudaMemcpy2D", where);
  if (output == launch.output) return result;
  // Rounded once from the f32 sums.
  const Matrix wide = upload_matrix(result, where);
  const Buffer out(rows * n * 2, where);
  launch_dequantize(wide.view, out.as(), output, nullptr, where);
  finish(where);
  return download(out, dtype_of(output), shape, where);
}

Tensor multiply_wgmma(const GemmSpec& spec, const Quantized& a, const Quantized& b, const Tensor* c, const std::string& where) {
  const Form form = form_of(spec.a.scheme, spec.b.scheme, spec.n, spec.output);
  WgmmaOperand left(spec.a.scheme.format, 1, spec.m, spec.k, ScalesB::row, where), right(spec.b.scheme.format, 1, spec.n, spec.k, form.scales_b, where);
  left.add(a, spec.a.scheme, 0, 0, 0);
  right.add(b, spec.b.scheme, 0, 0, 0);
  GemmLaunch launch;
  launch.where = where;
  launch.problem.m = static_cast<int>(spec.m);
  launch.problem.n = static_cast<int>(spec.n);
  launch.problem.k = static_cast<int>(spec.k);
  launch.scales_b = form.scales_b;
  launch.output = form.output;
  launch.a = left.on_device();
  launch.b = right.on_device();
  return launch_wgmma(std::move(launch), spec.output, {spec.m, spec.n}, c);
}

Tensor multiply_general(const GemmSpec& spec, const Quantized& a, const Quantized& b, const Tensor* c, const std::string& where) {
  const Matrix side_a = upload_quantized(a, spec.a.scheme, where), side_b = upload_quantized(b, spec.b.scheme, where);
  Matrix added;
  if (c != nullptr) added = upload_matrix(*c, where);
  const DType dtype = dtype_of(spec.output);
  Buffer d(spec.m * spec.n * lane_bytes(dtype), where);
  launch_gemm_general({side_a.view, side_b.view, added.view, spec.arithmetic, spec.output, d.as()}, nullptr, where);
  finish(where);
  return download(d, dtype, {spec.m, spec.n}, where);
}

/** Whether one launch of the wgmma kernel takes all groups: they begin where its tiles do. */
bool groups_fit(const GroupedGemmSpec& spec) {
  const bool aligned = spec.layout == GroupLayout::masked || spec.alignment % group_alignment == 0;
  return aligned && fits_int(spec.m, spec.n, spec.k) && is_wgmma(spec.arithmetic, spec.a.scheme, spec.b.scheme, spec.k);
}

/** The groups of one launch, put together product by product. */
class GroupedLaunch {
 public:
  GroupedLaunch(const GroupedGemmSpec& spec, const std::string& where)
      : spec_(spec), form_(form_of(spec.a.scheme, spec.b.scheme, spec.n, spec.output)), by_k_(spec.layout == GroupLayout::k_grouped),
        masked_(spec.layout == GroupLayout::masked), a_(spec.a.scheme.format, masked_ ? spec.groups : 1, spec.m, spec.k, ScalesB::row, where),
        b_(spec.b.scheme.format, by_k_ ? 1 : spec.groups, spec.n, spec.k, form_.scales_b, where),
        layout_(static_cast<std::size_t>(masked_ || by_k_ ? spec.groups : spec.m), masked_ || by_k_ ? 0 : -1) {
    launch_.where = where;
    Problem& problem = launch_.problem;
    problem.grouping = masked_ ? Grouping::masked : by_k_ ? Grouping::k_grouped : Grouping::contiguous;
    problem.m = static_cast<int>(spec.m);
    problem.n = static_cast<int>(spec.n);
    problem.k = static_cast<int>(spec.k);
    problem.groups = static_cast<int>(spec.groups);
    launch_.scales_b = form_.scales_b;
    launch_.output = form_.output;
  }

  void add(const GroupProduct& product) {
    const auto& [group, start, count] = product.range;
    if (masked_) {
      layout_[static_cast<std::size_t>(group)] = static_cast<int>(count);
    } else if (by_k_) {
      // A group's last step is filled up with zeros, which take no part in its sums.
      layout_[static_cast<std::size_t>(group)] = static_cast<int>(round_to(start + count, block_k));
    } else {
      std::fill_n(layout_.begin() + start, count, static_cast<int>(group));
    }
    if (count == 0) return;
    a_.add(product.a, product.spec.a.scheme, masked_ ? group : 0, masked_ || by_k_ ? 0 : start, by_k_ ? start : 0);
    b_.add(product.b, product.spec.b.scheme, by_k_ ? 0 : group, 0, by_k_ ? start : 0);
  }

  Tensor run(const Tensor* c) {
    launch_.a = a_.on_device();
    launch_.b = b_.on_device();
    const Buffer layout = upload(layout_.data(), static_cast<i64>(layout_.size()) * 4, launch_.where);
    launch_.problem.layout = layout.as<int>();
    return launch_wgmma(launch_, spec_.output, grouped_result_shape(spec_), c);
  }

 private:
  const GroupedGemmSpec& spec_;
  Form form_;
  bool by_k_, masked_;
  WgmmaOperand a_, b_;
  std::vector<int> layout_;
  GemmLaunch launch_;
};

}  // namespace

Tensor multiply(const GemmSpec& spec, const Quantized& a, const Quantized& b, const Tensor* c, const std::string& where) {
  const bool wgmma = fits_int(spec.m, spec.n, spec.k) && is_wgmma(spec.arithmetic, spec.a.scheme, spec.b.scheme, spec.k);
  return wgmma ? multiply_wgmma(spec, a, b, c, where) : multiply_general(spec, a, b, c, where);
}

Tensor multiply_groups(const GroupedGemmSpec& spec, const Tensors& inputs, const std::string& where) {
  const host::QuantizeMatrix quantize = [&](const std::string& name, const OperandSpec& matrix, const Tensors& given, i64 rows, i64 columns) {
    return operand(name, matrix, given, rows, columns, where);
  };
  Tensor d = host::zero_result(spec);
  if (!groups_fit(spec)) {
    host::for_each_group(spec, inputs, quantize, [&](const GroupProduct& product) {
      host::place_group(product, multiply(product.spec, product.a, product.b, product.c, where), d);
    });
    return d;
  }
  GroupedLaunch launch(spec, where);
  std::vector<std::pair<i64, i64>> rows;
  host::for_each_group(spec, inputs, quantize, [&](const GroupProduct& product) {
    launch.add(product);
    rows.emplace_back(product.first_row, product.spec.m);
  });
  const auto c = inputs.find("c");
  const Tensor all = launch.run(c == inputs.end() ? nullptr : &c->second);
  // Rows of a tile past its group's end hold anything: the groups' own rows alone are taken.
  const i64 bytes = spec.n * all.lanes.width();
  for (const auto& [first, count] : rows) std::copy_n(all.lanes.data() + first * bytes, count * bytes, d.lanes.data() + first * bytes);
  return d;
}

}  // namespace fp8lab::cuda

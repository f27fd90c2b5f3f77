// grouped-gemm on the host: group after group, each a gemm of its own on all cores.

#include "grouped_gemm.h"

#include <algorithm>
#include <cstring>

#include "../tiles.h"
#include "lanes.h"
#include "parallel.h"

namespace fp8lab::host {

namespace {

/** Lanes [first, first + count of the shape) as a tensor of their own. */
Tensor copy_lanes(const Tensor& tensor, i64 first, std::vector<i64> shape) {
  Tensor copy = allocate(tensor.dtype, std::move(shape));
  const i64 width = copy.lanes.width();
  std::memcpy(copy.lanes.data(), tensor.lanes.data() + first * width, static_cast<std::size_t>(copy.lanes.bytes()));
  return copy;
}

/** Columns [start, start + count) of a matrix. */
Tensor copy_columns(const Tensor& matrix, i64 start, i64 count) {
  const i64 rows = matrix.shape[0], columns = matrix.shape[1], width = matrix.lanes.width();
  Tensor copy = allocate(matrix.dtype, {rows, count});
  for (i64 row = 0; row < rows; row++) {
    std::memcpy(copy.lanes.data() + row * count * width, matrix.lanes.data() + (row * columns + start) * width,
                static_cast<std::size_t>(count * width));
  }
  return copy;
}

Scheme row_major(Scheme scheme) {
  scheme.layout = ScaleLayout::row_major;
  return scheme;
}

/** Row-major scales of the scheme's type. */
std::shared_ptr<const Tensor> scales_of(const std::vector<u32>& codes, i64 rows, i64 columns, const Scheme& scheme) {
  Tensor scales = allocate(dtype_of(scheme.scale_type), {rows, columns});
  for (i64 i = 0; i < rows * columns; i++) scales.lanes.set(i, codes[static_cast<std::size_t>(i)]);
  return std::make_shared<Tensor>(std::move(scales));
}

/** Rows of a quantized matrix, beginning at a tile, its scales row-major. */
Quantized slice_rows(const Quantized& whole, const Scheme& scheme, i64 start, i64 count) {
  const i64 rows = whole.codes->shape[0], columns = whole.codes->shape[1];
  const TileGrid grid = tile_grid(rows, columns, scheme);
  const i64 first = start / grid.tile_rows, tiles = (start + count + grid.tile_rows - 1) / grid.tile_rows - first;
  const std::vector<u32> scales = load_scales(*whole.scales, grid, scheme);
  Quantized part;
  part.codes = std::make_shared<Tensor>(copy_lanes(*whole.codes, start * columns, {count, columns}));
  const auto begin = scales.begin() + first * grid.columns;
  part.scales = scales_of({begin, begin + tiles * grid.columns}, tiles, grid.columns, scheme);
  part.tensor_scale = whole.tensor_scale;
  return part;
}

/** Columns of a quantized matrix, beginning at a tile, its scales row-major. */
Quantized slice_columns(const Quantized& whole, const Scheme& scheme, i64 start, i64 count) {
  const TileGrid grid = tile_grid(whole.codes->shape[0], whole.codes->shape[1], scheme);
  const i64 first = start / grid.tile_columns, tiles = (start + count + grid.tile_columns - 1) / grid.tile_columns - first;
  const std::vector<u32> scales = load_scales(*whole.scales, grid, scheme);
  std::vector<u32> cut;
  for (i64 row = 0; row < grid.rows; row++) {
    const auto begin = scales.begin() + row * grid.columns + first;
    cut.insert(cut.end(), begin, begin + tiles);
  }
  Quantized part;
  part.codes = std::make_shared<Tensor>(copy_columns(*whole.codes, start, count));
  part.scales = scales_of(cut, grid.rows, tiles, scheme);
  part.tensor_scale = whole.tensor_scale;
  return part;
}

/** The scheme of a column of zeros with a scale of 1: what a group without k multiplies, so that its product is +0. */
Scheme zero_scheme(Scheme scheme) {
  scheme.tile_rows = scheme.tile_columns = 0;
  scheme.scale_type = FormatId::f32;
  scheme.recipe = Recipe::divide;
  return row_major(scheme);
}

Quantized zero_operand(i64 rows, const Scheme& scheme) {
  Tensor codes = allocate(dtype_of(scheme.format), {rows, 1});
  std::memset(codes.lanes.data(), 0, static_cast<std::size_t>(codes.lanes.bytes()));
  Quantized zeros;
  zeros.codes = std::make_shared<Tensor>(std::move(codes));
  zeros.scales = scales_of({one_bits}, 1, 1, zero_scheme(scheme));
  return zeros;
}

GemmSpec product_spec(const GroupedGemmSpec& spec, i64 m, i64 k, const Scheme& a, const Scheme& b) {
  GemmSpec product{};
  product.m = m;
  product.n = spec.n;
  product.k = k;
  product.a.scheme = a;
  product.b.scheme = b;
  product.arithmetic = spec.arithmetic;
  product.output = spec.output;
  return product;
}

/** The groups of one run: what they share, and how each is worked off. */
class Groups {
 public:
  Groups(const GroupedGemmSpec& spec, const Tensors& inputs, const QuantizeMatrix& quantize, const std::function<void(const GroupProduct&)>& use)
      : spec_(spec), inputs_(inputs), quantize_(quantize), use_(use), ranges_(group_ranges(spec, require_tensor(inputs, "group_layout"))) {
    const auto c = inputs.find("c");
    if (c == inputs.end()) return;
    require_shape("c", c->second, grouped_result_shape(spec));
    c_ = &c->second;
  }

  void rows() const {
    const bool masked = spec_.layout == GroupLayout::masked;
    const Tensors zeroed = masked ? Tensors() : with_zeros("a", spec_.a, inputs_, spec_.m, spec_.k, ranges_, false);
    Quantized whole;
    if (!masked && !ranges_.empty()) whole = quantize_("a", spec_.a, zeroed.empty() ? inputs_ : zeroed, spec_.m, spec_.k);
    for (const GroupRange& range : ranges_) {
      const Tensors layer_b = layer_inputs("b", spec_.b, inputs_, range.group, spec_.groups, spec_.n, spec_.k);
      const Quantized b = quantize_("b", spec_.b, layer_b, spec_.n, spec_.k);
      const Quantized a = masked ? masked_rows(range) : slice_rows(whole, spec_.a.scheme, range.start, range.count);
      multiply(range, product_spec(spec_, range.count, spec_.k, row_major(spec_.a.scheme), spec_.b.scheme), a, b, range.start);
    }
  }

  void along_k() const {
    const Tensors zeroed_a = with_zeros("a", spec_.a, inputs_, spec_.m, spec_.k, ranges_, true);
    const Tensors zeroed_b = with_zeros("b", spec_.b, inputs_, spec_.n, spec_.k, ranges_, true);
    const Quantized a = quantize_("a", spec_.a, zeroed_a.empty() ? inputs_ : zeroed_a, spec_.m, spec_.k);
    const Quantized b = quantize_("b", spec_.b, zeroed_b.empty() ? inputs_ : zeroed_b, spec_.n, spec_.k);
    for (const GroupRange& range : ranges_) {
      const i64 first = range.group * spec_.m;
      if (range.count == 0) {
        multiply(range, product_spec(spec_, spec_.m, 1, zero_scheme(spec_.a.scheme), zero_scheme(spec_.b.scheme)),
                 zero_operand(spec_.m, spec_.a.scheme), zero_operand(spec_.n, spec_.b.scheme), first);
      } else {
        multiply(range, product_spec(spec_, spec_.m, range.count, row_major(spec_.a.scheme), row_major(spec_.b.scheme)),
                 slice_columns(a, spec_.a.scheme, range.start, range.count), slice_columns(b, spec_.b.scheme, range.start, range.count), first);
      }
    }
  }

 private:
  /** The inputs of an operand with zeros where no group is; empty where codes are given. */
  static Tensors with_zeros(const std::string& name, const OperandSpec& operand, const Tensors& inputs, i64 rows, i64 columns,
                            const std::vector<GroupRange>& ranges, bool along_columns) {
    Tensors zeroed;
    if (!is_high_precision(name, operand, inputs)) return zeroed;
    const Tensor& x = require_tensor(inputs, name);
    require_shape(name, x, {rows, columns});
    zeroed.emplace(name, zero_outside(x, ranges, along_columns));
    return zeroed;
  }

  Quantized masked_rows(const GroupRange& range) const {
    const GroupRange own{range.group, 0, range.count};
    const Tensors layer = layer_inputs("a", spec_.a, inputs_, range.group, spec_.groups, spec_.m, spec_.k);
    const Tensors zeroed = with_zeros("a", spec_.a, layer, spec_.m, spec_.k, {own}, false);
    return slice_rows(quantize_("a", spec_.a, zeroed.empty() ? layer : zeroed, spec_.m, spec_.k), spec_.a.scheme, 0, range.count);
  }

  void multiply(const GroupRange& range, GemmSpec product, Quantized a, Quantized b, i64 first_row) const {
    const i64 rows = product.m;
    Tensor c;
    if (c_ != nullptr) c = copy_lanes(*c_, first_row * spec_.n, {rows, spec_.n});
    use_({range, std::move(product), std::move(a), std::move(b), c_ == nullptr ? nullptr : &c, first_row});
  }

  const GroupedGemmSpec& spec_;
  const Tensors& inputs_;
  const QuantizeMatrix& quantize_;
  const std::function<void(const GroupProduct&)>& use_;
  std::vector<GroupRange> ranges_;
  const Tensor* c_ = nullptr;
};

}  // namespace

bool is_high_precision(const std::string& name, const OperandSpec& operand, const Tensors& inputs) {
  return inputs.count(operand_names(name).scales) == 0 && !operand.codes;
}

Tensors layer_inputs(const std::string& name, const OperandSpec& operand, const Tensors& inputs, i64 group, i64 groups, i64 rows, i64 columns) {
  const OperandNames names = operand_names(name);
  Tensors layer;
  const auto take = [&](const std::string& tensor, std::vector<i64> shape, std::vector<i64> stack) {
    const auto found = inputs.find(tensor);
    if (found == inputs.end()) return;
    require_shape(tensor, found->second, stack);
    const i64 first = group * element_count(shape);
    layer.emplace(tensor, copy_lanes(found->second, first, std::move(shape)));
  };
  take(names.codes, {rows, columns}, {groups, rows, columns});
  const std::vector<i64> scales = scale_shape(tile_grid(rows, columns, operand.scheme), operand.scheme);
  take(names.scales, scales, {groups, scales[0], scales[1]});
  take(names.tensor_scale, {1}, {groups});
  return layer;
}

Tensor zero_outside(const Tensor& x, const std::vector<GroupRange>& ranges, bool along_columns) {
  const i64 rows = x.shape[0], columns = x.shape[1], width = x.lanes.width();
  Tensor copy = allocate(x.dtype, {rows, columns});
  std::memset(copy.lanes.data(), 0, static_cast<std::size_t>(copy.lanes.bytes()));
  const auto keep = [&](i64 first, i64 count) {
    std::memcpy(copy.lanes.data() + first * width, x.lanes.data() + first * width, static_cast<std::size_t>(count * width));
  };
  for (const GroupRange& range : ranges) {
    if (!along_columns) keep(range.start * columns, range.count * columns);
    for (i64 row = 0; along_columns && row < rows; row++) keep(row * columns + range.start, range.count);
  }
  return copy;
}

void for_each_group(const GroupedGemmSpec& spec, const Tensors& inputs, const QuantizeMatrix& quantize,
                    const std::function<void(const GroupProduct&)>& use) {
  const Groups groups(spec, inputs, quantize, use);
  spec.layout == GroupLayout::k_grouped ? groups.along_k() : groups.rows();
}

Tensor zero_result(const GroupedGemmSpec& spec) {
  Tensor d = allocate_result(dtype_of(spec.output), grouped_result_shape(spec));
  std::memset(d.lanes.data(), 0, static_cast<std::size_t>(d.lanes.bytes()));
  return d;
}

void place_group(const GroupProduct& product, const Tensor& d, Tensor& all) {
  std::memcpy(all.lanes.data() + product.first_row * product.spec.n * d.lanes.width(), d.lanes.data(), static_cast<std::size_t>(d.lanes.bytes()));
}

Tensors compute(const GroupedGemmSpec& spec, const Tensors& inputs, int threads) {
  const QuantizeMatrix quantize = [threads](const std::string& name, const OperandSpec& operand, const Tensors& given, i64 rows, i64 columns) {
    return quantized_operand(name, operand, given, rows, columns, threads);
  };
  Tensor d = zero_result(spec);
  for_each_group(spec, inputs, quantize, [&](const GroupProduct& product) {
    place_group(product, gemm(product.spec, product.a, product.b, product.c, threads), d);
  });
  Tensors tensors;
  tensors.emplace("d", std::move(d));
  return tensors;
}

i64 bytes_made(const GroupedGemmSpec& spec) {
  // A group at a time: its B in high precision and as codes, what a gemm packs; A and its part as codes; D twice.
  const i64 a = spec.m * spec.k, b = spec.n * spec.k;
  const i64 d = element_count(grouped_result_shape(spec)) * lane_bytes(dtype_of(spec.output));
  return 3 * a + 6 * b + 2 * d + least<i64>(6 * a, i64{1} << 28) + 6 * group * spec.k * thread_count(0);
}

}  // namespace fp8lab::host

#include "moe_layer.h"

#include <cstring>

#include "../placement.h"
#include "../tiles.h"
#include "compute.h"
#include "parallel.h"

namespace fp8lab::host {

namespace {

Tensor copied(const Tensor& tensor) {
  Tensor copy = allocate(tensor.dtype, tensor.shape);
  std::memcpy(copy.lanes.data(), tensor.lanes.data(), static_cast<std::size_t>(tensor.lanes.bytes()));
  return copy;
}

/** Enters a copy of a tensor under a name, where it is there. */
void enter(Tensors& to, const std::string& name, const Tensors& from, const std::string& tensor) {
  const auto found = from.find(tensor);
  if (found != from.end()) to.emplace(name, copied(found->second));
}

/** Enters an operand's tensors under another operand's names. */
void enter_operand(Tensors& to, const std::string& name, const Tensors& from, const std::string& operand) {
  const OperandNames mine = operand_names(name), theirs = operand_names(operand);
  enter(to, mine.codes, from, theirs.codes);
  enter(to, mine.scales, from, theirs.scales);
  enter(to, mine.tensor_scale, from, theirs.tensor_scale);
}

/** An operand of given codes and scales. */
OperandSpec quantized_by(const Scheme& scheme) { return {scheme, {}, Input(GeneratedInput{}), Input(GeneratedInput{})}; }

/** The lanes of a matrix [rows, columns], rows for columns. */
Tensor transposed(const Tensor& matrix, int threads) {
  const i64 rows = matrix.shape[0], columns = matrix.shape[1];
  Tensor result = allocate(matrix.dtype, {columns, rows});
  parallel_for(threads, columns, [&](i64 column) {
    for (i64 row = 0; row < rows; row++) result.lanes.set(column * rows + row, matrix.lanes.get(row * columns + column));
  });
  return result;
}

/** A scheme of the transposed matrix. */
Scheme transposed(Scheme scheme) {
  std::swap(scheme.tile_rows, scheme.tile_columns);
  scheme.layout = ScaleLayout::row_major;
  return scheme;
}

/** Row-major scales as a tensor [rows, columns] of their type. */
Tensor plain_scales(const Tensor& scales, const TileGrid& grid, const Scheme& scheme) {
  const std::vector<u32> codes = load_scales(scales, grid, scheme);
  Tensor plain = allocate(dtype_of(scheme.scale_type), {grid.rows, grid.columns});
  for (i64 i = 0; i < plain.lanes.count(); i++) plain.lanes.set(i, codes[static_cast<std::size_t>(i)]);
  return plain;
}

/** Codes and scales of a matrix, transposed, in the scheme that transposed() gives. */
Tensors transposed_tensors(const Tensors& matrix, const Scheme& scheme, int threads) {
  const Tensor& codes = matrix.at("codes");
  Tensors result;
  result.emplace("codes", transposed(codes, threads));
  const TileGrid grid = tile_grid(codes.shape[0], codes.shape[1], scheme);
  result.emplace("scales", transposed(plain_scales(matrix.at("scales"), grid, scheme), threads));
  enter(result, "tensor_scale", matrix, "tensor_scale");
  return result;
}

/** Puts matrices of one shape one behind the other. */
class Stack {
 public:
  void add(const Tensor& layer, i64 layers) {
    if (filled_ == 0) {
      std::vector<i64> shape = layer.shape;
      shape.insert(shape.begin(), layers);
      all = allocate(layer.dtype, std::move(shape));
    }
    std::memcpy(all.lanes.data() + filled_ * layer.lanes.bytes(), layer.lanes.data(), static_cast<std::size_t>(layer.lanes.bytes()));
    filled_++;
  }

  Tensor all;

 private:
  i64 filled_ = 0;
};

/** One layer: its first half is computed when it is made. */
class Layer {
 public:
  Layer(const MoeFields& spec, const Tensors& inputs, int threads) : spec_(spec), inputs_(inputs), threads_(threads) {
    GateSpec gate{};
    gate.tokens = spec.tokens;
    gate.experts = spec.experts;
    gate.gate = spec.gate;
    gate.logits = spec.logits;
    gate.bias = spec.bias;
    gate.mask = spec.mask;
    gate_ = compute(gate, inputs, threads);
    Tensors x;
    // Codes and scales, or the values themselves, which have the operand's own name.
    enter_operand(x, "x", inputs, "x");
    enter(x, "x", inputs, "x");
    moved = permute(spec.x, std::move(x));
    h = product(spec.x.scheme, moved, spec.w13, weight("w13"), 2 * spec.inter, spec.hidden);
  }

  /** Tokens by expert, as codes and scales, with the maps. */
  Tensors permute(const OperandSpec& operand, Tensors x) const {
    PermuteSpec permute{};
    permute.tokens = spec_.tokens;
    permute.hidden = spec_.hidden;
    permute.experts = spec_.all_experts();
    permute.topk = spec_.slots();
    permute.alignment = spec_.alignment;
    permute.x = {true, operand};
    enter(x, "topk_idx", gate_, "topk_idx");
    return compute(permute, x, threads_);
  }

  /** Weights under the name `b`. */
  Tensors weight(const std::string& name) const {
    Tensors tensors;
    enter_operand(tensors, "b", inputs_, name);
    return tensors;
  }

  /** Every expert's rows of codes by its weights, bf16. `tensors` holds b. */
  Tensor product(const Scheme& scheme, const Tensors& codes, const OperandSpec& b, Tensors tensors, i64 n, i64 k) const {
    GroupedGemmSpec product{};
    product.layout = GroupLayout::contiguous;
    product.groups = spec_.all_experts();
    product.m = spec_.rows();
    product.n = n;
    product.k = k;
    product.alignment = spec_.alignment;
    product.a = quantized_by(scheme);
    product.b = b;
    product.arithmetic = spec_.arithmetic;
    product.output = FormatId::bf16;
    enter_operand(tensors, "a", codes, "x");
    tensors.emplace("group_layout", groups_of_rows());
    return std::move(compute(product, tensors, threads_).at("d"));
  }

  /** The activation's codes and scales; `weights` may be null. */
  Tensors activation(const Tensor* weights) const {
    SwigluQuantizeSpec swiglu{};
    swiglu.rows = spec_.rows();
    swiglu.inter = spec_.inter;
    swiglu.clamp = spec_.clamp;
    swiglu.scheme = spec_.activation;
    Tensors tensors;
    tensors.emplace("x", copied(h));
    enter(tensors, "row_to_slot", moved, "row_to_slot");
    if (weights != nullptr) tensors.emplace("weights", copied(*weights));
    return compute(swiglu, tensors, threads_);
  }

  /** Sums the rows of every token's slots. */
  Tensor sum(Tensor x, bool weighted, FormatId output) const {
    UnpermuteSpec unpermute{};
    unpermute.tokens = spec_.tokens;
    unpermute.hidden = spec_.hidden;
    unpermute.topk = spec_.slots();
    unpermute.rows = spec_.rows();
    unpermute.output = output;
    Tensors tensors;
    tensors.emplace("x", std::move(x));
    enter(tensors, "slot_to_row", moved, "slot_to_row");
    if (weighted) enter(tensors, "topk_weights", gate_, "topk_weights");
    return std::move(compute(unpermute, tensors, threads_).at("x"));
  }

  /** The weight of every row's slot; 0 for padding. */
  Tensor weights_of_rows() const {
    const Tensor& slots = moved.at("row_to_slot");
    Tensor weights = allocate(DType::F32, {spec_.rows()});
    for (i64 row = 0; row < spec_.rows(); row++) {
      const u32 slot = slots.lanes.get(row);
      weights.lanes.set(row, slot == nowhere ? 0 : gate_.at("topk_weights").lanes.get(slot));
    }
    return weights;
  }

  /** A value of every slot from that of its row; 0 where it has none. */
  Tensor of_slots(const Tensor& rows) const {
    const Tensor& map = moved.at("slot_to_row");
    Tensor values = allocate(DType::F32, map.shape);
    for (i64 slot = 0; slot < map.lanes.count(); slot++) {
      const u32 row = map.lanes.get(slot);
      values.lanes.set(slot, row == nowhere ? 0 : rows.lanes.get(row));
    }
    return values;
  }

  /** Weights [experts, rows, columns] quantized as in the forward pass, then transposed, under the name `b`. */
  Tensors transposed_weight(const std::string& name, const OperandSpec& operand, i64 rows, i64 columns) const {
    Stack codes, scales, tensor_scales;
    const i64 experts = spec_.all_experts();
    for (i64 expert = 0; expert < experts; expert++) {
      const Tensors layer = layer_inputs(name, operand, inputs_, expert, experts, rows, columns);
      const Quantized quantized = quantized_operand(name, operand, layer, rows, columns, threads_);
      codes.add(transposed(*quantized.codes, threads_), experts);
      scales.add(transposed(plain_scales(*quantized.scales, tile_grid(rows, columns, operand.scheme), operand.scheme), threads_), experts);
      if (quantized.tensor_scale) tensor_scales.add(*quantized.tensor_scale, experts);
    }
    Tensors tensors;
    tensors.emplace("b", std::move(codes.all));
    tensors.emplace("b_scales", std::move(scales.all));
    if (tensor_scales.all.lanes.count() > 0) {
      tensor_scales.all.shape = {experts};
      tensors.emplace("b_tensor_scale", std::move(tensor_scales.all));
    }
    return tensors;
  }

  /** dW [experts, columns of a, columns of b]: the sum over each expert's rows, both sides requantized along them. */
  Tensor weight_gradient(const MoeLayerBackwardSpec& spec, const Tensors& a, const Scheme& scheme_a, i64 columns_a, const Tensors& b,
                         const Scheme& scheme_b, i64 columns_b) const {
    GroupedGemmSpec product{};
    product.layout = GroupLayout::k_grouped;
    product.groups = spec.all_experts();
    product.m = columns_a;
    product.n = columns_b;
    product.k = spec.rows();
    product.alignment = spec.alignment;
    product.a = product.b = quantized_by(transposed(spec.channel));
    product.arithmetic = spec.arithmetic;
    product.output = FormatId::f32;
    Tensors tensors;
    enter_operand(tensors, "a", along_tokens(spec, a, scheme_a, columns_a), "x");
    enter_operand(tensors, "b", along_tokens(spec, b, scheme_b, columns_b), "x");
    Tensor ends = allocate(DType::I32, {spec.all_experts()});
    for (i64 expert = 0; expert < spec.all_experts(); expert++) {
      ends.lanes.set(expert, moved.at("offsets").lanes.get(expert) + moved.at("counts").lanes.get(expert));
    }
    tensors.emplace("group_layout", std::move(ends));
    return std::move(compute(product, tensors, threads_).at("d"));
  }

  const Tensors& gate() const { return gate_; }

  Tensors moved;
  /** Gate and up [rows, 2 * inter], bf16. */
  Tensor h;

 private:
  /** The expert of every row, -1 for padding. */
  Tensor groups_of_rows() const {
    Tensor groups = allocate(DType::I32, {spec_.rows()});
    std::fill_n(groups.lanes.as<u32>(), spec_.rows(), nowhere);
    for (i64 expert = 0; expert < spec_.all_experts(); expert++) {
      std::fill_n(groups.lanes.as<u32>() + moved.at("offsets").lanes.get(expert), moved.at("counts").lanes.get(expert), static_cast<u32>(expert));
    }
    return groups;
  }

  /** Rows requantized to 128x1 tiles and transposed: [columns, rows]. */
  Tensors along_tokens(const MoeLayerBackwardSpec& spec, const Tensors& rows, const Scheme& scheme, i64 columns) const {
    const RequantizeSpec requantize{spec.rows(), columns, quantized_by(scheme), spec.channel};
    Tensors tensors;
    enter_operand(tensors, "x", rows, "x");
    return transposed_tensors(compute(requantize, tensors, threads_), spec.channel, threads_);
  }

  const MoeFields& spec_;
  const Tensors& inputs_;
  int threads_;
  Tensors gate_;
};

}  // namespace

Tensors compute(const MoeLayerSpec& spec, const Tensors& inputs, int threads) {
  const Layer layer(spec, inputs, threads);
  const Tensors activation = layer.activation(nullptr);
  Tensor down = layer.product(spec.activation, activation, spec.w2, layer.weight("w2"), spec.hidden, spec.inter);
  Tensors results;
  results.emplace("y", layer.sum(std::move(down), true, spec.output));
  enter(results, "topk_idx", layer.gate(), "topk_idx");
  enter(results, "topk_weights", layer.gate(), "topk_weights");
  return results;
}

Tensors compute(const MoeLayerBackwardSpec& spec, const Tensors& inputs, int threads) {
  const i64 hidden = spec.hidden, inter = spec.inter;
  const Layer layer(spec, inputs, threads);
  const Tensor weights = layer.weights_of_rows();
  Tensors dy_rows;
  enter(dy_rows, "x", inputs, "dy");
  const Tensors dy = layer.permute({spec.gradient, spec.dy, {}, {}}, std::move(dy_rows));
  SwigluBackwardSpec swiglu{};
  swiglu.rows = spec.rows();
  swiglu.inter = inter;
  swiglu.clamp = spec.clamp;
  swiglu.weights = Input(GeneratedInput{});
  swiglu.scheme = spec.gradient;
  Tensors gradients;
  gradients.emplace("x", copied(layer.h));
  gradients.emplace("grad", layer.product(spec.gradient, dy, quantized_by(transposed(spec.w2.scheme)),
                                          layer.transposed_weight("w2", spec.w2, hidden, inter), inter, hidden));
  gradients.emplace("weights", copied(weights));
  enter(gradients, "row_to_slot", layer.moved, "row_to_slot");
  const Tensors dh = compute(swiglu, gradients, threads);
  Tensor rows = layer.product(spec.gradient, dh, quantized_by(transposed(spec.w13.scheme)),
                              layer.transposed_weight("w13", spec.w13, 2 * inter, hidden), hidden, 2 * inter);
  Tensors results;
  results.emplace("dx", layer.sum(std::move(rows), false, FormatId::bf16));
  results.emplace("dw13", layer.weight_gradient(spec, dh, spec.gradient, 2 * inter, layer.moved, spec.x.scheme, hidden));
  results.emplace("dw2", layer.weight_gradient(spec, dy, spec.gradient, hidden, layer.activation(&weights), spec.activation, inter));
  results.emplace("dweights", layer.of_slots(dh.at("dweights")));
  return results;
}

namespace {

/** The weights once more as an operand, permuted rows in high precision and as codes. */
i64 forward_bytes(const MoeFields& spec) {
  const i64 weights = spec.all_experts() * 2 * spec.inter * spec.hidden;
  return 3 * weights + spec.rows() * (3 * spec.hidden + 6 * spec.inter);
}

}  // namespace

i64 bytes_made(const MoeLayerSpec& spec) { return forward_bytes(spec); }

i64 bytes_made(const MoeLayerBackwardSpec& spec) {
  return forward_bytes(spec) + spec.all_experts() * 15 * spec.inter * spec.hidden + spec.rows() * (6 * spec.hidden + 9 * spec.inter);
}

}  // namespace fp8lab::host

#pragma once
// One operand of a product, decoded by table, and what is known of its values as a whole.

#include <vector>

#include "../../numerics/tensor_core.h"
#include "../tiles.h"
#include "kernels.h"

namespace fp8lab::host {

/** What a format's codes are in products. */
struct CodeTable {
  std::vector<float> values;
  /** The same with zeros for Inf and NaN, which the integer sums of the vector kernels cannot hold. */
  std::vector<float> finite_values;
  /** Exponents for the vector kernels: zeros have lanes.h's zero_exponent. */
  std::vector<std::int16_t> exponents;
  std::vector<Operand> operands;
};

/** Range of the exponents of an operand's finite nonzero values; `special` where there is an Inf or NaN. */
struct ExponentRange {
  int low = 1000;
  int high = -1000;
  bool special = false;
};

/** An operand [rows, k] ready for products. */
struct Side {
  const Tensor& tensor;
  Format format;
  CodeTable table;
  ExponentRange range;
  TileGrid grid;
  std::vector<u32> factors;

  i64 k() const { return tensor.shape[1]; }
  u32 code(i64 row, i64 k) const { return tensor.lanes.get(row * tensor.shape[1] + k); }
  /** The factor of a row's tile at k. */
  float factor(i64 row, i64 k) const {
    return bits_float(factors[static_cast<std::size_t>(row / grid.tile_rows * grid.columns + k / grid.tile_columns)]);
  }
};

/** Decodes a quantized operand's tables and looks over its codes once. */
Side product_side(const Quantized& quantized, const Scheme& scheme, int threads);

/** Calls body(codes) with the lanes as an array of their own type. */
template <class Body>
auto with_codes(const Lanes& lanes, const Body& body) {
  return lanes.width() == 1 ? body(lanes.as<u8>()) : body(lanes.as<u16>());
}

}  // namespace fp8lab::host

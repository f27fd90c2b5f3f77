#include "tiles.h"

#include <cstring>

#include "../errors.h"

namespace fp8lab {

namespace {

i64 ceil_div(i64 a, i64 b) { return (a + b - 1) / b; }

i64 align_to_4(i64 n) { return ceil_div(n, 4) * 4; }

}  // namespace

TileGrid tile_grid(i64 rows, i64 columns, const Scheme& scheme) {
  const i64 tile_rows = scheme.tile_rows == 0 ? rows : scheme.tile_rows;
  const i64 tile_columns = scheme.tile_columns == 0 ? columns : scheme.tile_columns;
  return {tile_rows, tile_columns, ceil_div(rows, tile_rows), ceil_div(columns, tile_columns)};
}

DType scale_dtype(const Scheme& scheme) { return scheme.layout == ScaleLayout::packed_e8m0 ? DType::I32 : dtype_of(scheme.scale_type); }

std::vector<i64> scale_shape(const TileGrid& grid, const Scheme& scheme) {
  switch (scheme.layout) {
    case ScaleLayout::row_major: return {grid.rows, grid.columns};
    case ScaleLayout::mn_major: return {grid.columns, align_to_4(grid.rows)};
    case ScaleLayout::packed_e8m0: return {ceil_div(grid.columns, 4), align_to_4(grid.rows)};
  }
  return {};
}

ScalePlace scale_place(const TileGrid& grid, const Scheme& scheme, i64 row, i64 column) {
  switch (scheme.layout) {
    case ScaleLayout::row_major: return {row * grid.columns + column, 0};
    case ScaleLayout::mn_major: return {column * align_to_4(grid.rows) + row, 0};
    case ScaleLayout::packed_e8m0: return {column / 4 * align_to_4(grid.rows) + row, static_cast<int>(8 * (column % 4))};
  }
  return {};
}

Tensor store_scales(const u32* row_major, const TileGrid& grid, const Scheme& scheme) {
  Tensor scales = allocate_result(scale_dtype(scheme), scale_shape(grid, scheme));
  std::memset(scales.lanes.data(), 0, static_cast<std::size_t>(scales.lanes.bytes()));
  for (i64 row = 0; row < grid.rows; row++) {
    for (i64 column = 0; column < grid.columns; column++) {
      const ScalePlace place = scale_place(grid, scheme, row, column);
      scales.lanes.set(place.lane, scales.lanes.get(place.lane) | row_major[row * grid.columns + column] << place.shift);
    }
  }
  return scales;
}

std::vector<u32> load_scales(const Tensor& scales, const TileGrid& grid, const Scheme& scheme) {
  require_shape("scales", scales, scale_shape(grid, scheme));
  const u32 mask = scheme.scale_type == FormatId::f32 ? 0xffffffffu : 0xffu;
  std::vector<u32> row_major(static_cast<std::size_t>(grid.rows * grid.columns));
  for (i64 row = 0; row < grid.rows; row++) {
    for (i64 column = 0; column < grid.columns; column++) {
      const ScalePlace place = scale_place(grid, scheme, row, column);
      row_major[static_cast<std::size_t>(row * grid.columns + column)] = (scales.lanes.get(place.lane) >> place.shift) & mask;
    }
  }
  return row_major;
}

void require_shape(const std::string& name, const Tensor& tensor, const std::vector<i64>& shape) {
  if (tensor.shape == shape) return;
  throw input_error("wrong-shape", "tensor " + name + " has shape " + shape_text(tensor.shape) + ", expected " + shape_text(shape), name,
                    "give the tensor the shape that the spec declares, or change the spec");
}

void require_dtype(const std::string& name, const Tensor& tensor, DType dtype) {
  if (tensor.dtype == dtype) return;
  throw input_error(
      "wrong-dtype",
      "tensor " + name + " has dtype " + std::string(info_of(tensor.dtype).name) + ", expected " + std::string(info_of(dtype).name), name,
      "give the tensor in the dtype of the spec's scheme, or change the spec");
}

const Tensor& require_tensor(const Tensors& tensors, const std::string& name) {
  const auto found = tensors.find(name);
  if (found != tensors.end()) return found->second;
  std::string names;
  for (const auto& [known, tensor] : tensors) names += (names.empty() ? "" : ", ") + known;
  throw input_error("missing-tensor", "no tensor named " + name + "; there are " + (names.empty() ? "none" : names), name,
                    "name the input tensors as docs/architecture.md lists them");
}

}  // namespace fp8lab

#pragma once
// A matrix cut into tiles, and how the scales of the tiles are laid out. The twin of src/kernels/tiles.ts.

#include <array>

#include "../numerics/scheme.h"
#include "../tensors/tensor.h"

namespace fp8lab {

/** Tile extents (never 0) and how many there are. */
struct TileGrid {
  i64 tile_rows;
  i64 tile_columns;
  i64 rows;
  i64 columns;
};

/** The tiles of a [rows, columns] matrix under a scheme; those at a ragged edge are cut. */
TileGrid tile_grid(i64 rows, i64 columns, const Scheme& scheme);

/** dtype of a scheme's stored scales. */
DType scale_dtype(const Scheme& scheme);

/** Shape of the stored scales in the scheme's layout. */
std::vector<i64> scale_shape(const TileGrid& grid, const Scheme& scheme);

/** Where the scale of a tile lies: its lane, and the bit it begins at. */
struct ScalePlace {
  i64 lane;
  int shift;
};

ScalePlace scale_place(const TileGrid& grid, const Scheme& scheme, i64 row, i64 column);

/** Lays row-major scales (codes of the scale type, [grid.rows * grid.columns]) out as the scheme stores them; padding is zero. */
Tensor store_scales(const u32* row_major, const TileGrid& grid, const Scheme& scheme);

/** The way back: stored scales to row-major codes of the scale type. */
std::vector<u32> load_scales(const Tensor& scales, const TileGrid& grid, const Scheme& scheme);

/** Refuses a tensor whose shape is not the one its kernel needs. */
void require_shape(const std::string& name, const Tensor& tensor, const std::vector<i64>& shape);

/** Refuses a tensor of another dtype than its kernel needs. */
void require_dtype(const std::string& name, const Tensor& tensor, DType dtype);

/** The tensor of a name, or a clear refusal. */
const Tensor& require_tensor(const Tensors& tensors, const std::string& name);

}  // namespace fp8lab

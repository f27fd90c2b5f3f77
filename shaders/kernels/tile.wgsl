// Where an element of a band of rows stands, and which tile it belongs to.

// Eight words: the uniform address space aligns a struct within a struct to 16 bytes.
struct Band {
  // Elements, rows and columns of the band.
  count: u32,
  rows: u32,
  columns: u32,
  // Its first row, counted from the first row that the buffers of scales know.
  first_row: u32,
  // Logical index of its first element in the whole tensor.
  first_element: u32,
  tile_rows: u32,
  tile_columns: u32,
  grid_columns: u32,
}

struct Place {
  row: u32,
  column: u32,
}

fn place_of(index: u32, band: Band) -> Place {
  let row = index / band.columns;
  return Place(row, index - row * band.columns);
}

fn next_place(place: Place, band: Band) -> Place {
  if (place.column + 1u == band.columns) {
    return Place(place.row + 1u, 0u);
  }
  return Place(place.row, place.column + 1u);
}

fn tile_of(place: Place, band: Band) -> u32 {
  let tile_row = (band.first_row + place.row) / band.tile_rows;
  return tile_row * band.grid_columns + place.column / band.tile_columns;
}

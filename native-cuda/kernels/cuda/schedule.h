#pragma once
// Which tiles a wgmma gemm is cut into, in which order its persistent thread blocks walk them, and what they need of a multiprocessor.
// Pure functions of numbers: the kernel and the host tests (test/schedule_test.cpp) run the same code.

#include "../../numerics/formats.h"

/** Marks a member function for host and device. */
#if defined(__CUDACC__)
#define FP8LAB_METHOD __host__ __device__
#else
#define FP8LAB_METHOD
#endif

namespace fp8lab::cuda {

/** Which operand the two thread blocks of a cluster share: each loads half of it for both. */
enum class Share : u8 { none, a, b };

/** How a gemm's rows fall into groups with a matrix B each; see Problem. */
enum class Grouping : u8 { dense, contiguous, offsets, masked, k_grouped };

/** Scales of B: one per 128x128 block, or one per row and 128 of k. */
enum class ScalesB : u8 { block, row };

/** k of a tile's step: 128 bytes, one row of a 128-byte swizzle atom, one scale. */
inline constexpr int block_k = 128;
/** Shared memory of a thread block on compute capability 9.0. */
inline constexpr int shared_memory_limit = 232448;
/** 32-bit registers of a multiprocessor. */
inline constexpr int register_file = 65536;
/** Rows of a wgmma instruction. */
inline constexpr int wave_rows = 64;
inline constexpr int barrier_bytes = 256;
inline constexpr int most_stages = 8;
/** Groups of the contiguous and offsets forms begin at multiples of this row. */
inline constexpr int group_alignment = 128;

/** A kernel's compile-time choices. */
struct TileShape {
  int m;
  int n;
  Share share = Share::none;
  ScalesB scales_b = ScalesB::block;
  /** Bytes of an output element: 2 for bf16, 4 for f32. */
  int output_bytes = 2;
  /** Two partial sums in registers, so that a warpgroup promotes one while its tensor cores compute the other. */
  bool paired = false;
  /** Of the operands: e4m3 or e5m2. */
  FormatId format_a = FormatId::e4m3;
  FormatId format_b = FormatId::e4m3;
};

FP8LAB_HD constexpr int ceil_div(int a, int b) { return (a + b - 1) / b; }
FP8LAB_HD constexpr int round_up(int a, int b) { return ceil_div(a, b) * b; }

FP8LAB_HD constexpr int cluster_size(const TileShape& tile) { return tile.share == Share::none ? 1 : 2; }
/** Warpgroups that multiply; one more loads. */
FP8LAB_HD constexpr int math_groups(const TileShape& tile) { return tile.m == wave_rows ? 1 : 2; }
FP8LAB_HD constexpr int thread_count(const TileShape& tile) { return 128 * (1 + math_groups(tile)); }
/** 64-row products that each math warpgroup computes of a tile. */
FP8LAB_HD constexpr int waves(const TileShape& tile) { return tile.m / (wave_rows * math_groups(tile)); }

/** Columns of a store's box: 128 bytes of output, or 64 where the tile is no multiple of that. */
FP8LAB_HD constexpr int store_columns(const TileShape& tile) {
  const int whole = 128 / tile.output_bytes;
  return tile.n % whole == 0 ? whole : whole / 2;
}

FP8LAB_HD constexpr int scales_a_bytes(const TileShape& tile) { return tile.m * 4; }
/** Bytes of B's scales that a step loads: four blocks' (the smallest box), or its rows'. */
FP8LAB_HD constexpr int scales_b_bytes(const TileShape& tile) { return tile.scales_b == ScalesB::block ? 16 : tile.n * 4; }
/** Bytes that a step's loads bring into one thread block. */
FP8LAB_HD constexpr int load_bytes(const TileShape& tile) {
  return (tile.m + tile.n) * block_k + scales_a_bytes(tile) + scales_b_bytes(tile);
}
FP8LAB_HD constexpr int stage_bytes(const TileShape& tile) {
  return (tile.m + tile.n) * block_k + round_up(scales_a_bytes(tile), 128) + round_up(scales_b_bytes(tile), 128);
}
FP8LAB_HD constexpr int staging_bytes(const TileShape& tile) { return tile.m * tile.n * tile.output_bytes; }
FP8LAB_HD constexpr int stage_count(const TileShape& tile) {
  return least(most_stages, (shared_memory_limit - staging_bytes(tile) - barrier_bytes) / stage_bytes(tile));
}
FP8LAB_HD constexpr int shared_bytes(const TileShape& tile) {
  return staging_bytes(tile) + barrier_bytes + stage_count(tile) * stage_bytes(tile);
}

/** Accumulator registers of a math thread: partial sums and the promoted sum. */
FP8LAB_HD constexpr int accumulator_registers(const TileShape& tile) {
  return (tile.n / 2) * (waves(tile) + (tile.paired ? 2 : 1));
}

/** Whether a tile fits a multiprocessor and the instruction's rules. */
FP8LAB_HD constexpr bool is_feasible(const TileShape& tile) {
  const bool shape = (tile.m == 64 || tile.m == 128 || tile.m == 256) && tile.n % 16 == 0 && tile.n >= 16 && tile.n <= 256;
  // A tile must touch two 128-column scale blocks at most: 128 divides by gcd(n, 128) and n + 128 - gcd <= 256.
  const int gcd = tile.n & -tile.n;
  const bool scales = tile.scales_b == ScalesB::row || tile.n + 128 - least(gcd, 128) <= 256;
  // Each half of a shared operand begins at a swizzle atom of 8 rows.
  const bool halves = (tile.share != Share::a || tile.m % 16 == 0) && (tile.share != Share::b || tile.n % 16 == 0);
  const bool two_stages = stage_count(tile) >= (tile.paired ? 4 : 3);
  return shape && scales && halves && two_stages && !(tile.paired && waves(tile) > 1) && accumulator_registers(tile) <= 200;
}

/** What a launch computes; sizes in elements. */
struct Problem {
  Grouping grouping = Grouping::dense;
  /** Rows of A and D: of one group where `masked`, of all together otherwise. */
  int m = 0;
  int n = 0;
  /** k of every group; `k_grouped`: of all groups together. */
  int k = 0;
  int groups = 1;
  /**
   * `contiguous`: m ints, a row's group, negative for rows left out, constant within 128 rows. `offsets`: each group's end row; it begins at the former end
   * rounded up to 128. `masked`: each group's number of rows. `k_grouped`: each group's end in k; ends but the last are multiples of 128.
   */
  const int* layout = nullptr;
  /** Tiles walked together along the other dimension, so that their operands stay in L2. */
  int raster = 8;
  /** Whether those are neighbours along m (else along n). */
  bool raster_along_m = true;
  /** f32 [groups or 1, m, n] added to the product, or null. */
  const float* c = nullptr;
};

/** One output tile of one thread block. */
struct Tile {
  /** First row and column, within the group where A, B or D have one. */
  int row;
  int column;
  /** Index of the group in A and its scales, in B and its scales, and in D. */
  int group_a;
  int group_b;
  int group_d;
  /** First 128-step of k and number of steps. */
  int step;
  int steps;
};

/** Row-major place of unit `index` in a grid of `rows` x `columns` units, walked in bands of `band` units so that close indices share operands. */
struct Unit {
  int row;
  int column;
};

FP8LAB_HD constexpr Unit raster_unit(int index, int rows, int columns, int band, bool along_rows) {
  const int length = along_rows ? rows : columns;
  const int across = along_rows ? columns : rows;
  const int first = index / (band * across) * band;
  const int inside = index % (band * across);
  const int width = least(band, length - first);
  const int along = first + inside % width;
  return along_rows ? Unit{along, inside / width} : Unit{inside / width, along};
}

/**
 * Walks the tiles of one thread block: every cluster takes every `clusters`-th unit, a unit being a tile for each of its thread blocks. All warps of both
 * thread blocks of a cluster get the same sequence, so their pipelines stay in step; a tile beyond the edge is computed on zeros and not stored.
 */
template <int tile_m, int tile_n, Share share>
class TileWalk {
 public:
  /** `rank`: of this thread block within its cluster. */
  FP8LAB_METHOD constexpr TileWalk(int cluster, int clusters, int rank) : next_(cluster), clusters_(clusters), rank_(rank) {}

  /** The next tile, or false when none is left. */
  FP8LAB_METHOD constexpr bool next(const Problem& problem, Tile& tile) {
    for (;; next_ += clusters_) {
      int first = 0;
      const int units_m = enter_group(problem, first);
      if (units_m < 0) return false;
      const Unit unit = raster_unit(next_ - first, units_m, units_n(problem), problem.raster, problem.raster_along_m);
      const int row = (unit.row * pair_m + (pair_m == 2 ? rank_ : 0)) * tile_m;
      const int column = (unit.column * pair_n + (pair_n == 2 ? rank_ : 0)) * tile_n;
      if (!place(problem, row, column, tile)) continue;
      next_ += clusters_;
      return true;
    }
  }

 private:
  static constexpr int pair_m = share == Share::b ? 2 : 1;
  static constexpr int pair_n = share == Share::a ? 2 : 1;

  FP8LAB_METHOD static constexpr int units_n(const Problem& problem) { return ceil_div(ceil_div(problem.n, tile_n), pair_n); }

  /** Rows of a group. */
  FP8LAB_METHOD constexpr int group_rows(const Problem& problem, int group) const {
    switch (problem.grouping) {
      case Grouping::masked: return least(problem.layout[group], problem.m);
      case Grouping::offsets: return most(problem.layout[group] - group_row_, 0);
      default: return problem.m;
    }
  }

  /** Moves to the group that holds the next unit: its units along m and its first unit's index; -1 when there is none. */
  FP8LAB_METHOD constexpr int enter_group(const Problem& problem, int& first) {
    const bool one = problem.grouping == Grouping::dense || problem.grouping == Grouping::contiguous;
    const int groups = one ? 1 : problem.groups;
    for (; group_ < groups; group_++) {
      const int units_m = ceil_div(ceil_div(group_rows(problem, group_), tile_m), pair_m);
      if (next_ < group_first_ + units_m * units_n(problem)) {
        first = group_first_;
        return units_m;
      }
      group_first_ += units_m * units_n(problem);
      if (problem.grouping == Grouping::offsets) group_row_ = round_up(problem.layout[group_], group_alignment);
    }
    return -1;
  }

  /** Fills a tile in; false for tiles of rows that belong to no group. */
  FP8LAB_METHOD constexpr bool place(const Problem& problem, int row, int column, Tile& tile) const {
    tile = {row, column, 0, 0, 0, 0, ceil_div(problem.k, block_k)};
    switch (problem.grouping) {
      case Grouping::dense: break;
      case Grouping::contiguous:
        // Rows past the end are the edge of a pair: their group is never used to store.
        tile.group_b = row < problem.m ? problem.layout[row] : -1;
        if (tile.group_b < 0) return false;
        break;
      case Grouping::offsets:
        tile.row += group_row_;
        tile.group_b = group_;
        break;
      case Grouping::masked: tile.group_a = tile.group_b = tile.group_d = group_; break;
      case Grouping::k_grouped: {
        const int begin = group_ == 0 ? 0 : problem.layout[group_ - 1];
        tile.group_d = group_;
        tile.step = begin / block_k;
        tile.steps = ceil_div(problem.layout[group_] - begin, block_k);
        break;
      }
    }
    return true;
  }

  int next_;
  int clusters_;
  int rank_;
  int group_ = 0;
  /** Index of the group's first unit, and its first row (`offsets`). */
  int group_first_ = 0;
  int group_row_ = 0;
};

/** Place in a ring of stages: full[stage] counts loaded bytes, empty[stage] the warps that have left. The loader waits for empty at the other parity. */
struct Ring {
  int stage = 0;
  u32 parity = 0;

  template <int stages>
  FP8LAB_METHOD constexpr void advance() {
    stage++;
    if (stage == stages) {
      stage = 0;
      parity ^= 1;
    }
  }
};

/** How a gemm is run. */
struct Plan {
  TileShape tile;
  int raster;
  bool raster_along_m;
  /** Estimated clocks. */
  double clocks;
};

/**
 * Clocks of a gemm by the busier of tensor cores and loads, in whole waves: a step of a tile takes m * n * 256 / 8192 clocks of tensor cores, and its operands
 * come from L2 at about 48 bytes a clock and multiprocessor (a shared operand counts half). The last term is the pipeline's filling and the last store.
 */
constexpr double estimate_clocks(const TileShape& tile, int rows, int n, int steps, int groups, int multiprocessors) {
  const int units = groups * ceil_div(ceil_div(rows, tile.m), tile.share == Share::b ? 2 : 1) * ceil_div(ceil_div(n, tile.n), tile.share == Share::a ? 2 : 1);
  const int clusters = multiprocessors / cluster_size(tile);
  const double tensor = tile.m * tile.n / 32.0 * (math_groups(tile) == 1 ? 1.3 : 1.0);
  const double loads = ((tile.share == Share::a ? tile.m / 2 : tile.m) + (tile.share == Share::b ? tile.n / 2 : tile.n)) * block_k / 48.0;
  const double step = tensor < loads ? loads : tensor;
  return ceil_div(units, clusters) * (steps * step + 250) + 1500;
}

/** Band width and direction with the least operand rows and columns in use at a time. */
constexpr void choose_raster(Plan& plan, int rows, int n, int multiprocessors) {
  double best = 1e30;
  for (const bool along_m : {true, false}) {
    for (const int band : {1, 2, 4, 8, 16}) {
      const int pair = along_m ? (plan.tile.share == Share::b ? 2 : 1) : (plan.tile.share == Share::a ? 2 : 1);
      const int width = band * pair;
      const int along = along_m ? plan.tile.m : plan.tile.n;
      const int across = along_m ? plan.tile.n : plan.tile.m;
      const int limit_along = along_m ? rows : n;
      const int limit_across = along_m ? n : rows;
      const double used = least(width * along, limit_along) + static_cast<double>(least(ceil_div(multiprocessors, width) * across, limit_across));
      if (used < best) {
        best = used;
        plan.raster = band;
        plan.raster_along_m = along_m;
      }
    }
  }
}

/**
 * The plan with the least estimated time among `tiles`. `rows` is the m of one group (expected, for `masked`); tiles that do not suit the grouping are left out:
 * 256 rows would cross 128-aligned groups, and thread blocks that share B must be in one group.
 */
template <int count>
constexpr bool choose_plan(const TileShape (&tiles)[count], Grouping grouping, int rows, int n, int k, int groups, int multiprocessors, Plan& plan) {
  bool found = false;
  const bool one = grouping == Grouping::dense || grouping == Grouping::contiguous || grouping == Grouping::offsets;
  for (const TileShape& tile : tiles) {
    const bool aligned = grouping == Grouping::contiguous || grouping == Grouping::offsets;
    if (aligned && (tile.m > group_alignment || tile.share == Share::b)) continue;
    if (grouping == Grouping::masked && tile.share == Share::b) continue;
    if (multiprocessors < cluster_size(tile)) continue;
    const double clocks = estimate_clocks(tile, rows, n, ceil_div(k, block_k), one ? 1 : groups, multiprocessors);
    if (found && clocks >= plan.clocks) continue;
    plan = {tile, 1, true, clocks};
    found = true;
  }
  if (found) choose_raster(plan, rows, n, multiprocessors);
  return found;
}

}  // namespace fp8lab::cuda

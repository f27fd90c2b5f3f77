// What the wgmma gemm decides on the host, or does the same way on both sides: tiles, their order, descriptors, the loading protocol.

#include <set>
#include <tuple>
#include <vector>

#include "../kernels/cuda/descriptor.h"
#include "../kernels/cuda/schedule.h"
#include "check.h"

namespace fp8lab::test {

namespace {

using namespace fp8lab::cuda;

const TileShape tiles[] = {
#define FP8LAB_TILE(m, n, share, scales, bytes, paired, a, b) {m, n, Share::share, ScalesB::scales, bytes, paired, FormatId::a, FormatId::b},
#include "../kernels/cuda/tiles.def"
#undef FP8LAB_TILE
};

using Place = std::tuple<int, int, int, int, int>;

/** Tiles inside the matrix that all thread blocks of a grid walk; fails where two walks meet or a cluster's two differ in length. */
template <int m, int n, Share share>
std::set<Place> walk_all(const Problem& problem, int multiprocessors) {
  constexpr int cluster = share == Share::none ? 1 : 2;
  std::set<Place> places;
  for (int block = 0; block < multiprocessors / cluster; block++) {
    int lengths[2] = {0, 0};
    for (int rank = 0; rank < cluster; rank++) {
      TileWalk<m, n, share> walk(block, multiprocessors / cluster, rank);
      for (Tile t{}; walk.next(problem, t); lengths[rank]++) {
        check(t.column % n == 0 && t.steps >= 0, "a tile begins at a multiple of its size");
        if (t.column >= problem.n || t.row >= problem.m) continue;
        check(places.insert({t.group_d, t.group_b, t.row, t.column, t.step}).second, "no tile is walked twice");
      }
    }
    check(cluster == 1 || lengths[0] == lengths[1], "both thread blocks of a cluster walk as many tiles");
  }
  return places;
}

template <int m, int n, Share share>
void check_dense(int rows, int columns, int multiprocessors, int band, bool along_m) {
  Problem problem;
  problem.m = rows;
  problem.n = columns;
  problem.k = 256;
  problem.raster = band;
  problem.raster_along_m = along_m;
  std::set<Place> expected;
  for (int r = 0; r < rows; r += m)
    for (int c = 0; c < columns; c += n) expected.insert({0, 0, r, c, 0});
  check((walk_all<m, n, share>(problem, multiprocessors) == expected), std::to_string(rows) + "x" + std::to_string(columns) + " is covered");
}

template <int m, int n, Share share>
void check_grouped(Grouping grouping, Random& random) {
  const int groups = 1 + static_cast<int>(random.word() % 9);
  Problem problem;
  problem.grouping = grouping;
  problem.groups = groups;
  problem.n = 1 + static_cast<int>(random.word() % 700);
  problem.k = 384;
  problem.raster = 1 << random.word() % 5;
  problem.raster_along_m = random.word() % 2 == 0;
  std::vector<int> layout;
  std::set<Place> expected;
  const auto expect = [&](int d, int b, int first, int rows, int step) {
    for (int r = 0; r < rows; r += m)
      for (int c = 0; c < problem.n; c += n) expected.insert({d, b, first + r, c, step});
  };
  if (grouping == Grouping::masked) {
    problem.m = 300;
    for (int g = 0; g < groups; g++) {
      layout.push_back(static_cast<int>(random.word() % 301));
      expect(g, g, 0, layout[static_cast<std::size_t>(g)], 0);
    }
  } else if (grouping == Grouping::k_grouped) {
    problem.m = 200;
    int end = 0;
    for (int g = 0; g < groups; g++) {
      expect(g, 0, 0, problem.m, end / block_k);
      end += static_cast<int>(random.word() % 4) * block_k;
      layout.push_back(end);
    }
    problem.k = most(end, 1);
  } else {
    int end = 0;
    for (int g = 0; g < groups; g++) {
      const int rows = static_cast<int>(random.word() % 400), first = round_up(end, group_alignment);
      if (grouping == Grouping::offsets) {
        layout.push_back(first + rows);
        expect(0, g, first, rows, 0);
        end = first + rows;
      } else {
        const int aligned = round_up(rows, group_alignment);
        const int id = random.word() % 5 == 0 ? -1 : g;
        layout.insert(layout.end(), static_cast<std::size_t>(aligned), id);
        if (id >= 0) expect(0, g, first, aligned, 0);
        end = first + aligned;
      }
    }
    problem.m = most(round_up(end, group_alignment), group_alignment);
    if (grouping == Grouping::contiguous) layout.resize(static_cast<std::size_t>(problem.m), -1);
  }
  problem.layout = layout.data();
  check((walk_all<m, n, share>(problem, 1 + static_cast<int>(random.word() % 140) + 1) == expected), "every group's tiles are walked once");
}

/** An mbarrier: a phase completes when its arrivals are in and its bytes are too. */
struct Barrier {
  int needed;
  int pending = 0;
  long bytes = 0;
  u32 phase = 0;
  explicit Barrier(int arrivals) : needed(arrivals), pending(arrivals) {}
  void settle() {
    if (pending == 0 && bytes == 0) {
      phase ^= 1;
      pending = needed;
    }
  }
  void arrive(long expected = 0) {
    check(pending > 0, "a barrier gets no more arrivals than it counts");
    bytes += expected;
    pending--;
    settle();
  }
  void complete(long done) {
    bytes -= done;
    settle();
  }
  /** What try_wait.parity says: whether the phase of this parity is complete. */
  bool passed(u32 parity) const { return phase != parity; }
};

/** Loaders and math warps of a cluster as state machines, stepped in random order, on the kernel's own Ring. */
template <int stages, int cluster>
void simulate(int steps, int warps, u64 seed) {
  struct Block {
    std::vector<Barrier> full, empty;
    std::vector<int> content[2];
    Ring load;
    int loaded = 0;
    std::vector<Ring> rings;
    std::vector<int> done;
    std::vector<int> readers;
  };
  Random random(seed);
  std::vector<Block> blocks(cluster);
  for (Block& block : blocks) {
    block.full.assign(stages, Barrier(1));
    block.empty.assign(stages, Barrier(warps * cluster));
    for (auto& half : block.content) half.assign(stages, -1);
    block.rings.resize(static_cast<std::size_t>(warps));
    block.done.assign(static_cast<std::size_t>(warps), 0);
  }
  struct Load {
    int block, stage, step, half;
  };
  std::vector<Load> flying;
  const auto finished = [&] {
    for (const Block& block : blocks)
      for (const int done : block.done)
        if (done < steps) return false;
    return true;
  };
  int idle = 0;
  while (!finished()) {
    check(idle < 100000, "the pipeline does not stand still");
    idle++;
    const int actor = static_cast<int>(random.word() % static_cast<unsigned>(warps + 2));
    const int which = static_cast<int>(random.word() % cluster);
    Block& block = blocks[static_cast<std::size_t>(which)];
    if (actor == 0 && block.loaded < steps) {
      const auto stage = static_cast<std::size_t>(block.load.stage);
      if (!block.empty[stage].passed(block.load.parity ^ 1)) continue;
      block.full[stage].arrive(1 + cluster);
      for (int half = 0; half < 2; half++) {
        // The shared operand (half 1 here) comes in as many parts as there are thread blocks, each loaded by one for all.
        for (int target = 0; target < cluster; target++) {
          if (half == 0 && target != which) continue;
          flying.push_back({target, block.load.stage, block.loaded, half});
        }
      }
      block.load.template advance<stages>();
      block.loaded++;
      idle = 0;
    } else if (actor == 1 && !flying.empty()) {
      const std::size_t pick = random.word() % flying.size();
      const Load load = flying[pick];
      flying.erase(flying.begin() + static_cast<long>(pick));
      Block& target = blocks[static_cast<std::size_t>(load.block)];
      const auto stage = static_cast<std::size_t>(load.stage);
      for (const int done : target.done) check(done > load.step - stages, "a stage is loaded only when every warp has left it");
      target.content[load.half][stage] = load.step;
      target.full[stage].complete(1);
      idle = 0;
    } else if (actor >= 2) {
      const auto warp = static_cast<std::size_t>(actor - 2);
      Ring& ring = block.rings[warp];
      const auto stage = static_cast<std::size_t>(ring.stage);
      if (block.done[warp] == steps || !block.full[stage].passed(ring.parity)) continue;
      for (const auto& half : block.content) check_equal(half[stage], block.done[warp], "step in the stage");
      for (Block& other : blocks) other.empty[stage].arrive();
      block.done[warp]++;
      ring.template advance<stages>();
      idle = 0;
    }
  }
}

}  // namespace

FP8LAB_TEST("cuda-schedule", "every tile fits a multiprocessor's shared memory and registers, and multicast halves are whole swizzle atoms") {
  for (const TileShape& tile : tiles) {
    check(is_feasible(tile), "feasible");
    check(shared_bytes(tile) <= shared_memory_limit, "shared memory");
    check(thread_count(tile) == 256 || 40 * 128 + 232 * 256 <= register_file, "registers");
    check(stage_count(tile) * 16 <= barrier_bytes, "barriers");
    check((tile.m * block_k) % 1024 == 0 && (tile.n * block_k) % 1024 == 0, "operands begin at swizzle atoms");
    if (tile.share == Share::a) check(tile.m / 2 % 8 == 0, "half of A");
    if (tile.share == Share::b) check(tile.n / 2 % 8 == 0, "half of B");
    check(tile.n % store_columns(tile) == 0, "stores cover the columns");
  }
}

FP8LAB_TEST("cuda-schedule", "thousands of dense shapes are covered, every tile once") {
  Random random(11);
  for (int i = 0; i < 700; i++) {
    const int rows = 1 + static_cast<int>(random.word() % 3000), columns = 1 + static_cast<int>(random.word() % 3000);
    const int multiprocessors = i % 3 == 0 ? 132 : 2 + static_cast<int>(random.word() % 140);
    const int band = 1 << random.word() % 5;
    const bool along = random.word() % 2 == 0;
    check_dense<64, 128, Share::none>(rows, columns, multiprocessors, band, along);
    check_dense<128, 128, Share::a>(rows, columns, multiprocessors, band, along);
    check_dense<128, 160, Share::b>(rows, columns, multiprocessors, band, along);
    check_dense<128, 192, Share::b>(rows, columns, multiprocessors, band, along);
    check_dense<256, 128, Share::a>(rows, columns, multiprocessors, band, along);
  }
}

FP8LAB_TEST("cuda-schedule", "contiguous, offsets, masked and k-grouped layouts are covered, every tile once") {
  Random random(12);
  for (int i = 0; i < 400; i++) {
    for (const Grouping grouping : {Grouping::contiguous, Grouping::offsets, Grouping::masked, Grouping::k_grouped}) {
      check_grouped<128, 128, Share::none>(grouping, random);
      check_grouped<128, 128, Share::a>(grouping, random);
      check_grouped<64, 128, Share::none>(grouping, random);
    }
  }
}

FP8LAB_TEST("cuda-schedule", "a tile touches two scale blocks of B at most, and a segment of columns lies in one") {
  for (const TileShape& tile : tiles) {
    if (tile.scales_b != ScalesB::block) continue;
    const int segment = least(tile.n & -tile.n, 128);
    for (int column = 0; column < 128 * tile.n; column += tile.n) {
      check((column + tile.n - 1) / 128 - column / 128 <= 1, "two blocks");
      for (int s = 0; s < tile.n; s += segment) check((column + s) / 128 == (column + s + segment - 1) / 128, "one block a segment");
    }
  }
}

FP8LAB_TEST("cuda-schedule", "the planner finds a plan for every shape, and a wide tile for a large one") {
  const TileShape dense[] = {tiles[0], tiles[1], tiles[3], tiles[7], tiles[10]};
  for (const int m : {1, 64, 128, 1000, 4096, 16384}) {
    for (const int n : {8, 576, 2112, 7168, 32768}) {
      Plan plan{};
      check(choose_plan(dense, Grouping::dense, m, n, 7168, 1, 132, plan), "found");
      check(plan.raster >= 1 && plan.clocks > 0, "filled in");
      if (m == 16384 && n == 7168) check(plan.tile.m * plan.tile.n > 128 * 128, "wide");
      if (m <= 64 && n >= 2112) check_equal(plan.tile.m, 64, "rows of a decode tile");
    }
  }
}

FP8LAB_TEST("cuda-schedule", "operand descriptors hold the address, the atom stride and the swizzle in their fields") {
  for (u32 address = 0; address < 232448; address += 1024) {
    const u64 d = operand_descriptor(address);
    check_equal(d & 0x3fff, u64{address >> 4}, "address");
    check_equal((d >> 32) & 0x3fff, u64{64}, "stride between atoms");
    check_equal((d >> 49) & 7, u64{0}, "base offset");
    check_equal(d >> 62, u64{1}, "128-byte swizzle");
    for (u32 k = 0; k < 128; k += 32) check_equal(advance_descriptor(d, k, 64) & 0x3fff, u64{((address + k + 64 * 128) & 0x3ffff) >> 4}, "advanced");
  }
}

FP8LAB_TEST("cuda-schedule", "both swizzles permute a tile's chunks, and eight rows of a column of chunks lie in eight places") {
  for (const bool wide : {true, false}) {
    std::set<u32> seen;
    const u32 chunks = wide ? 8 : 4;
    for (u32 row = 0; row < 64; row++) {
      for (u32 chunk = 0; chunk < chunks; chunk++) {
        const u32 offset = wide ? swizzle128(row, chunk) : swizzle64(row, chunk);
        check(offset < 64 * chunks * 16 && offset % 16 == 0, "inside");
        seen.insert(offset);
      }
    }
    check_equal(seen.size(), std::size_t{64} * chunks, "a permutation");
    for (u32 chunk = 0; chunk < chunks; chunk++) {
      std::set<u32> banks;
      for (u32 row = 0; row < 8; row++) banks.insert((wide ? swizzle128(row, chunk) : swizzle64(row, chunk)) % 128);
      check_equal(banks.size(), std::size_t{8}, "no bank conflict");
    }
  }
}

FP8LAB_TEST("cuda-schedule", "the loading protocol neither stands still nor overwrites a stage in use, alone and in a cluster") {
  for (u64 seed = 0; seed < 30; seed++) {
    simulate<3, 1>(50, 8, seed);
    simulate<5, 1>(73, 8, seed);
    simulate<8, 1>(41, 4, seed);
    simulate<3, 2>(50, 8, seed);
    simulate<5, 2>(73, 8, seed);
  }
}

}  // namespace fp8lab::test

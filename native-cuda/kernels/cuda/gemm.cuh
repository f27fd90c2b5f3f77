#pragma once
// The wgmma gemm: D = C + A * B^T, e4m3 or e5m2 operands along k, f32 scales per 128 of k; the arithmetic `hopper-deepgemm` of docs/numerics.md (scales-first, fused).
//
// One warpgroup loads (one thread of it: the copy engine does the work), one or two multiply. Each 128 of k: four wgmma from zero, then each partial sum is
// promoted by one fma; while a warpgroup promotes, the other one's wgmma keep the tensor cores busy. Thread blocks stay for all their tiles, the loads run
// ahead across tiles, and a tile's store runs beside the next tile's products.

#include "accumulators.cuh"
#include "descriptor.h"
#include "launch.h"
#include "ptx.cuh"
#include "schedule.h"
#include "wgmma.cuh"

namespace fp8lab::cuda {

/** Tensor maps of a launch: [group, row, k], scales [group, step, row or block], D [group, row, column]; the fastest last. */
struct Maps {
  CUtensorMap a;
  CUtensorMap b;
  CUtensorMap scales_a;
  CUtensorMap scales_b;
  CUtensorMap d;
};

template <int tile_m, int tile_n, Share share, ScalesB scales_b, int output_bytes, bool paired, FormatId format_a, FormatId format_b>
struct Gemm {
  static constexpr TileShape tile = {tile_m, tile_n, share, scales_b, output_bytes, paired, format_a, format_b};
  static_assert(is_feasible(tile));
  static constexpr int stages = stage_count(tile);
  static constexpr int cluster = cluster_size(tile);
  static constexpr int groups = math_groups(tile);
  static constexpr int wave_count = waves(tile);
  static constexpr int sums = tile_n / 2;
  static constexpr int a_bytes = tile_m * block_k;
  static constexpr int b_bytes = tile_n * block_k;

  // Operands and staging begin at multiples of 1024, which the swizzle needs; scales at multiples of 128, which the copy engine needs.
  static constexpr u32 a_offset = 0;
  static constexpr u32 b_offset = stages * a_bytes;
  static constexpr u32 staging_offset = b_offset + stages * b_bytes;
  static constexpr u32 scales_a_offset = staging_offset + staging_bytes(tile);
  static constexpr u32 scales_a_stride = round_up(scales_a_bytes(tile), 128);
  static constexpr u32 scales_b_offset = scales_a_offset + stages * scales_a_stride;
  static constexpr u32 scales_b_stride = round_up(scales_b_bytes(tile), 128);
  static constexpr u32 barrier_offset = scales_b_offset + stages * scales_b_stride;
  static_assert(barrier_offset + barrier_bytes == shared_bytes(tile) && stages * 16 <= barrier_bytes);

  u32 shared;
  u32 rank;

  __device__ __forceinline__ u32 full(int stage) const { return shared + barrier_offset + stage * 8; }
  __device__ __forceinline__ u32 empty(int stage) const { return shared + barrier_offset + (stages + stage) * 8; }

  /** Sets the barriers up; all threads. */
  __device__ __forceinline__ void begin() const {
    if (threadIdx.x == 0) {
      for (int i = 0; i < stages; i++) {
        barrier_init(full(i), 1);
        barrier_init(empty(i), groups * 4 * cluster);
      }
      barrier_init_fence();
    }
    if constexpr (cluster == 2) {
      cluster_barrier();
    } else {
      __syncthreads();
    }
  }

  __device__ __forceinline__ TileWalk<tile_m, tile_n, share> walk() const {
    return {static_cast<int>(blockIdx.x) / cluster, static_cast<int>(gridDim.x) / cluster, static_cast<int>(rank)};
  }

  /** Loads an operand's tile, or half of it for both thread blocks of the cluster. */
  template <bool shared_operand, int rows>
  __device__ __forceinline__ void load_operand(const CUtensorMap* map, u32 target, u32 barrier, int k, int row, int group) const {
    if constexpr (shared_operand) {
      constexpr int half = rows / 2;
      load_box_both(target + rank * half * block_k, map, barrier, k, row + rank * half, group);
    } else {
      load_box(target, map, barrier, k, row, group);
    }
  }

  /** The loading thread. */
  __device__ __forceinline__ void load(const Maps& maps, const Problem& problem) const {
    auto tiles = walk();
    Ring ring;
    Tile t;
    while (tiles.next(problem, t)) {
      // Unrolled, this loop would need more registers than the loading warpgroup keeps.
#pragma unroll 1
      for (int i = 0; i < t.steps; i++) {
        const int step = t.step + i;
        // A fresh barrier's former phase counts as complete: the first lap does not wait. Both thread blocks' warps must have left a stage that both fill.
        barrier_wait(empty(ring.stage), ring.parity ^ 1);
        const u32 barrier = full(ring.stage);
        barrier_expect(barrier, load_bytes(tile));
        load_operand<share == Share::a, tile_m>(&maps.a, shared + a_offset + ring.stage * a_bytes, barrier, step * block_k, t.row, t.group_a);
        load_operand<share == Share::b, tile_n>(&maps.b, shared + b_offset + ring.stage * b_bytes, barrier, step * block_k, t.column, t.group_b);
        load_box(shared + scales_a_offset + ring.stage * scales_a_stride, &maps.scales_a, barrier, t.row, step, t.group_a);
        const int scale = scales_b == ScalesB::block ? t.column / 128 : t.column;
        load_box(shared + scales_b_offset + ring.stage * scales_b_stride, &maps.scales_b, barrier, scale, step, t.group_b);
        ring.template advance<stages>();
      }
    }
  }

  /** Row of the tile that d[0] of this thread stands for, in a wave. */
  __device__ __forceinline__ int wave_row(int math_group, int wave) const { return (wave * groups + math_group) * wave_rows; }
  __device__ __forceinline__ int thread_row() const { return (threadIdx.x / 32 % 4) * 16 + threadIdx.x % 32 / 4; }

  static __device__ __forceinline__ void multiply_codes(float (&partial)[sums], u64 a, u64 b, int accumulate) {
    constexpr bool wide_a = format_a == FormatId::e5m2, wide_b = format_b == FormatId::e5m2;
    if constexpr (wide_a && wide_b) {
      Wgmma<tile_n>::e5m2(partial, a, b, accumulate);
    } else if constexpr (wide_a) {
      Wgmma<tile_n>::e5m2_e4m3(partial, a, b, accumulate);
    } else if constexpr (wide_b) {
      Wgmma<tile_n>::e4m3_e5m2(partial, a, b, accumulate);
    } else {
      Wgmma<tile_n>::e4m3(partial, a, b, accumulate);
    }
  }

  /** Starts the products of a stage for 64 rows: four instructions from zero. */
  __device__ __forceinline__ void multiply(float (&partial)[sums], int stage, int row) const {
    const u64 a = operand_descriptor(shared + a_offset + stage * a_bytes + row * block_k);
    const u64 b = operand_descriptor(shared + b_offset + stage * b_bytes);
    pin(partial);
    wgmma_fence();
#pragma unroll
    for (int k = 0; k < block_k / 32; k++) multiply_codes(partial, advance_descriptor(a, k * 32, 0), advance_descriptor(b, k * 32, 0), k != 0);
    wgmma_commit();
    pin(partial);
  }

  __device__ __forceinline__ Scales read_scales(int stage, int row) const {
    Scales scales;
    const u32 a = shared + scales_a_offset + stage * scales_a_stride + (row + thread_row()) * 4;
    scales.row[0] = load_shared(a);
    scales.row[1] = load_shared(a + 32);
    if constexpr (scales_b == ScalesB::block) {
      const u32 b = shared + scales_b_offset + stage * scales_b_stride;
      scales.block[0] = load_shared(b);
      scales.block[1] = tile_n % 128 == 0 ? scales.block[0] : load_shared(b + 4);
    }
    return scales;
  }

  /** B's row scales of this thread's columns. */
  __device__ __forceinline__ void read_columns(float2 (&columns)[tile_n / 8], int stage) const {
    const u32 b = shared + scales_b_offset + stage * scales_b_stride + threadIdx.x % 4 * 8;
#pragma unroll
    for (int i = 0; i < tile_n / 8; i++) columns[i] = load_shared_pair(b + i * 32);
  }

  /** Tells the loaders, of both thread blocks where they share an operand, that this warp has left a stage. */
  __device__ __forceinline__ void release(int stage) const {
    __syncwarp();
    const u32 lane = threadIdx.x % 32;
    if constexpr (cluster == 2) {
      if (lane < 2) barrier_arrive_at(empty(stage), lane);
    } else {
      if (lane == 0) barrier_arrive(empty(stage));
    }
  }

  __device__ __forceinline__ void wait_full(const Ring& ring) const { barrier_wait(full(ring.stage), ring.parity); }

  /** One step of k: products of every wave, each promoted before the next begins. */
  __device__ __forceinline__ void step(float (&sum)[wave_count][sums], Ring& ring, int math_group, int phase) const {
    wait_full(ring);
    const int stage = ring.stage;
#pragma unroll
    for (int wave = 0; wave < wave_count; wave++) {
      float partial[sums];
      const int row = wave_row(math_group, wave);
      const Scales scales = read_scales(stage, row);
      multiply(partial, stage, row);
      if constexpr (scales_b == ScalesB::row) {
        float2 columns[tile_n / 8];
        read_columns(columns, stage);
        wgmma_wait<0>();
        pin(partial);
        if (wave == wave_count - 1) release(stage);
        promote_rows<tile_n>(sum[wave], partial, scales, columns);
      } else {
        wgmma_wait<0>();
        pin(partial);
        if (wave == wave_count - 1) release(stage);
        promote_blocks<tile_n>(sum[wave], partial, scales, phase);
      }
    }
    ring.template advance<stages>();
  }

  /** Two steps of k: the second one's products run while the first one's are promoted. */
  __device__ __forceinline__ void step_pair(float (&sum)[sums], Ring& ring, int math_group, int phase) const {
    float first[sums], second[sums];
    const int row = wave_row(math_group, 0);
    wait_full(ring);
    const int first_stage = ring.stage;
    const Scales first_scales = read_scales(first_stage, row);
    multiply(first, first_stage, row);
    ring.template advance<stages>();
    wait_full(ring);
    const int second_stage = ring.stage;
    const Scales second_scales = read_scales(second_stage, row);
    multiply(second, second_stage, row);
    ring.template advance<stages>();
    wgmma_wait<1>();
    pin(first);
    release(first_stage);
    promote_blocks<tile_n>(sum, first, first_scales, phase);
    wgmma_wait<0>();
    pin(second);
    release(second_stage);
    promote_blocks<tile_n>(sum, second, second_scales, phase);
  }

  /** sum = fl(c + sum) for this thread's elements inside the matrix. */
  __device__ __forceinline__ void add_c(float (&sum)[sums], const Problem& problem, const Tile& t, int row) const {
    const float* c = problem.c + static_cast<i64>(t.group_d) * problem.m * problem.n;
    const int column = t.column + threadIdx.x % 4 * 2;
#pragma unroll
    for (int half = 0; half < 2; half++) {
      const int r = row + thread_row() + half * 8;
      // All loads first: each would wait for the one before it otherwise.
      float added[tile_n / 4];
#pragma unroll
      for (int i = 0; i < tile_n / 4; i++) {
        const int col = column + i / 2 * 8 + i % 2;
        added[i] = r < problem.m && col < problem.n ? c[static_cast<i64>(r) * problem.n + col] : 0.0f;
      }
#pragma unroll
      for (int i = 0; i < tile_n / 4; i++) {
        float& value = sum[i / 2 * 4 + 2 * half + i % 2];
        value = __fadd_rn(added[i], value);
      }
    }
  }

  /** Stores a tile's rows of one math warpgroup; the copy engine's stores end beside the next tile's products. */
  __device__ __forceinline__ void store(float (&sum)[wave_count][sums], const Maps& maps, const Problem& problem, const Tile& t, int math_group) const {
    constexpr int columns = store_columns(tile);
    const bool leader = threadIdx.x % 128 == 0;
    const int named = 1 + math_group;
    // The former tile's stores must have read the staging area before it is written again.
    if (leader) store_wait_read();
    named_barrier(named, 128);
#pragma unroll
    for (int wave = 0; wave < wave_count; wave++) {
      const int row = wave_row(math_group, wave);
      if (problem.c != nullptr) add_c(sum[wave], problem, t, t.row + row);
      stage_output<tile_n, output_bytes, columns>(sum[wave], shared + staging_offset + row * tile_n * output_bytes);
    }
    async_proxy_fence();
    named_barrier(named, 128);
    if (leader) {
#pragma unroll
      for (int wave = 0; wave < wave_count; wave++) {
        const int row = wave_row(math_group, wave);
        if (t.row + row >= problem.m) continue;
#pragma unroll
        for (int column = 0; column < tile_n; column += columns) {
          if (t.column + column >= problem.n) continue;
          const u32 source = shared + staging_offset + (row * tile_n + column * wave_rows) * output_bytes;
          store_box(&maps.d, source, t.column + column, t.row + row, t.group_d);
        }
      }
      store_commit();
    }
  }

  /** A math warpgroup. */
  __device__ __forceinline__ void compute(const Maps& maps, const Problem& problem, int math_group) const {
    auto tiles = walk();
    Ring ring;
    Tile t;
    while (tiles.next(problem, t)) {
      float sum[wave_count][sums];
#pragma unroll
      for (int wave = 0; wave < wave_count; wave++)
#pragma unroll
        for (int i = 0; i < sums; i++) sum[wave][i] = 0;
      const int phase = t.column % 128;
      int done = 0;
      if constexpr (paired) {
        for (; done + 1 < t.steps; done += 2) step_pair(sum[0], ring, math_group, phase);
      }
      for (; done < t.steps; done++) step(sum, ring, math_group, phase);
      store(sum, maps, problem, t, math_group);
    }
    if (threadIdx.x % 128 == 0) store_wait();
  }
};

/** Registers a thread: the loading warpgroup gives up what the two math warpgroups need. 40 * 128 + 232 * 256 = 64512. */
inline constexpr int load_registers = 40;
inline constexpr int math_registers = 232;

template <int tile_m, int tile_n, Share share, ScalesB scales_b, int output_bytes, bool paired, FormatId format_a, FormatId format_b>
__global__ void __launch_bounds__(thread_count(TileShape{tile_m, tile_n, share, scales_b, output_bytes, paired, format_a, format_b}), 1)
    gemm_kernel(const __grid_constant__ Maps maps, const __grid_constant__ Problem problem) {
  using G = Gemm<tile_m, tile_n, share, scales_b, output_bytes, paired, format_a, format_b>;
  const G gemm{shared_address(dynamic_shared<u8>()), G::cluster == 2 ? cluster_rank() : 0};
  if ((gemm.shared & 1023) != 0) __trap();
  // The warpgroup's index is the same for all its threads; shfl tells the compiler so.
  const int warpgroup = __shfl_sync(0xffffffff, static_cast<int>(threadIdx.x / 128), 0);
  if (threadIdx.x == 0) {
    prefetch_map(&maps.a);
    prefetch_map(&maps.b);
    prefetch_map(&maps.scales_a);
    prefetch_map(&maps.scales_b);
    prefetch_map(&maps.d);
  }
  gemm.begin();
  if (warpgroup == G::groups) {
    if constexpr (G::groups == 2) lower_registers<load_registers>();
    if (threadIdx.x % 128 == 0) gemm.load(maps, problem);
    __syncwarp();
  } else {
    if constexpr (G::groups == 2) raise_registers<math_registers>();
    gemm.compute(maps, problem, warpgroup);
  }
  // No thread block leaves while its neighbour may still load into it or arrive at its barriers.
  if constexpr (G::cluster == 2) cluster_barrier();
}

}  // namespace fp8lab::cuda

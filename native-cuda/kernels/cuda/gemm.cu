// Launches of the wgmma gemm: tensor maps, the choice of tile, refusals.

#include <cudaTypedefs.h>

#include "api.h"
#include "gemm.cuh"

namespace fp8lab::cuda {

namespace {

using Kernel = void (*)(Maps, Problem);

struct Instance {
  TileShape tile;
  Kernel kernel;
};

const Instance instances[] = {
#define FP8LAB_TILE(m, n, share, scales, bytes, paired, a, b) \
  {{m, n, Share::share, ScalesB::scales, bytes, paired, FormatId::a, FormatId::b}, \
   &gemm_kernel<m, n, Share::share, ScalesB::scales, bytes, paired, FormatId::a, FormatId::b>},
#include "tiles.def"
#undef FP8LAB_TILE
};

bool same(const TileShape& a, const TileShape& b) {
  return a.m == b.m && a.n == b.n && a.share == b.share && a.scales_b == b.scales_b && a.output_bytes == b.output_bytes && a.paired == b.paired &&
         a.format_a == b.format_a && a.format_b == b.format_b;
}

PFN_cuTensorMapEncodeTiled_v12000 map_encoder(const std::string& where) {
  static void* entry = nullptr;
  if (entry == nullptr) {
    cudaDriverEntryPointQueryResult found{};
    check(cudaGetDriverEntryPointByVersion("cuTensorMapEncodeTiled", &entry, 12000, cudaEnableDefault, &found), "cudaGetDriverEntryPointByVersion", where);
    if (found != cudaDriverEntryPointSuccess || entry == nullptr) {
      throw Error(ErrorKind::environment, "old-driver", "the driver has no cuTensorMapEncodeTiled", where, "install a driver for CUDA 12.0 or later");
    }
  }
  return reinterpret_cast<PFN_cuTensorMapEncodeTiled_v12000>(entry);
}

/** A tensor [outer, middle, inner] in boxes of [1, box_rows, box_columns]. */
struct MapShape {
  CUtensorMapDataType type;
  int element_bytes;
  i64 inner, middle, outer;
  i64 middle_stride, outer_stride;
  int box_columns, box_rows;
  CUtensorMapSwizzle swizzle;
};

CUtensorMap make_map(const void* data, const MapShape& shape, const std::string& where) {
  CUtensorMap map;
  const cuuint64_t extents[3] = {static_cast<cuuint64_t>(shape.inner), static_cast<cuuint64_t>(shape.middle), static_cast<cuuint64_t>(shape.outer)};
  const cuuint64_t strides[2] = {static_cast<cuuint64_t>(shape.middle_stride * shape.element_bytes),
                                 static_cast<cuuint64_t>(shape.outer_stride * shape.element_bytes)};
  const cuuint32_t box[3] = {static_cast<cuuint32_t>(shape.box_columns), static_cast<cuuint32_t>(shape.box_rows), 1};
  const cuuint32_t steps[3] = {1, 1, 1};
  const CUresult result = map_encoder(where)(&map, shape.type, 3, const_cast<void*>(data), extents, strides, box, steps, CU_TENSOR_MAP_INTERLEAVE_NONE,
                                             shape.swizzle, CU_TENSOR_MAP_L2_PROMOTION_L2_256B, CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE);
  if (result != CUDA_SUCCESS) {
    throw Error(ErrorKind::device, "cuda-call-failed", "cuTensorMapEncodeTiled: error " + std::to_string(result), where, "report this with the spec");
  }
  return map;
}

Maps make_maps(const GemmLaunch& launch, const TileShape& tile) {
  const Problem& p = launch.problem;
  const bool per_group_a = p.grouping == Grouping::masked;
  const bool per_group_b = p.grouping != Grouping::dense && p.grouping != Grouping::k_grouped;
  const bool per_group_d = p.grouping == Grouping::masked || p.grouping == Grouping::k_grouped;
  const i64 steps = ceil_div(p.k, block_k);
  const i64 scale_rows = launch.scales_b == ScalesB::block ? ceil_div(p.n, 128) : p.n;
  const int a_rows = tile.share == Share::a ? tile.m / 2 : tile.m;
  const int b_rows = tile.share == Share::b ? tile.n / 2 : tile.n;
  const auto bytes = CU_TENSOR_MAP_DATA_TYPE_UINT8;
  const auto f32 = CU_TENSOR_MAP_DATA_TYPE_FLOAT32;
  const auto plain = CU_TENSOR_MAP_SWIZZLE_NONE;
  const auto atom = CU_TENSOR_MAP_SWIZZLE_128B;
  const int columns = store_columns(tile);
  const bool bf16 = launch.output == FormatId::bf16;
  Maps maps;
  maps.a = make_map(launch.a.codes, {bytes, 1, p.k, p.m, per_group_a ? p.groups : 1, launch.a.stride, launch.a.stride * p.m, block_k, a_rows, atom}, launch.where);
  maps.b = make_map(launch.b.codes, {bytes, 1, p.k, p.n, per_group_b ? p.groups : 1, launch.b.stride, launch.b.stride * p.n, block_k, b_rows, atom}, launch.where);
  maps.scales_a = make_map(launch.a.scales, {f32, 4, p.m, steps, per_group_a ? p.groups : 1, launch.a.scale_stride, launch.a.scale_stride * steps, tile.m, 1, plain},
                           launch.where);
  maps.scales_b = make_map(launch.b.scales,
                           {f32, 4, scale_rows, steps, per_group_b ? p.groups : 1, launch.b.scale_stride, launch.b.scale_stride * steps,
                            launch.scales_b == ScalesB::block ? 4 : tile.n, 1, plain},
                           launch.where);
  maps.d = make_map(launch.d,
                    {bf16 ? CU_TENSOR_MAP_DATA_TYPE_BFLOAT16 : f32, bf16 ? 2 : 4, p.n, p.m, per_group_d ? p.groups : 1, launch.d_stride, launch.d_stride * p.m,
                     columns, wave_rows, columns * tile.output_bytes == 128 ? atom : CU_TENSOR_MAP_SWIZZLE_64B},
                    launch.where);
  return maps;
}

[[noreturn]] void refuse(const std::string& message, const std::string& where, const std::string& fix) {
  throw input_error("shape-not-supported", message, where, fix);
}

void require_stride(const char* name, i64 stride, i64 least_value, i64 unit, const std::string& where) {
  if (stride >= least_value && stride % unit == 0) return;
  refuse(std::string(name) + " has a row stride of " + std::to_string(stride) + " elements; it must be a multiple of " + std::to_string(unit) + " and at least " +
             std::to_string(least_value),
         where, "pad rows to " + std::to_string((least_value + unit - 1) / unit * unit) + " elements");
}

void require_aligned(const char* name, const void* pointer, const std::string& where) {
  if (pointer != nullptr && reinterpret_cast<std::uintptr_t>(pointer) % 16 == 0) return;
  refuse(std::string(name) + " is null or not at a multiple of 16 bytes", where, "allocate it with cudaMalloc");
}

int multiprocessor_count(const std::string& where) {
  int device = 0, count = 0;
  check(cudaGetDevice(&device), "cudaGetDevice", where);
  check(cudaDeviceGetAttribute(&count, cudaDevAttrMultiProcessorCount, device), "cudaDeviceGetAttribute", where);
  return count;
}

Kernel kernel_of(const TileShape& tile) {
  for (const Instance& instance : instances) {
    if (same(instance.tile, tile)) return instance.kernel;
  }
  return nullptr;
}

/** The tiles a launch may take, with the shapes that its grouping and output allow. */
bool suits(const TileShape& tile, const GemmLaunch& launch) {
  const Grouping grouping = launch.problem.grouping;
  if (tile.output_bytes != (launch.output == FormatId::bf16 ? 2 : 4) || tile.scales_b != launch.scales_b) return false;
  if (tile.format_a != launch.a.format || tile.format_b != launch.b.format) return false;
  const bool aligned = grouping == Grouping::contiguous || grouping == Grouping::offsets;
  return grouping == Grouping::dense || grouping == Grouping::k_grouped || (tile.share != Share::b && !(aligned && tile.m > group_alignment));
}

}  // namespace

const std::vector<TileShape>& gemm_tiles() {
  static const std::vector<TileShape> tiles = [] {
    std::vector<TileShape> all;
    for (const Instance& instance : instances) all.push_back(instance.tile);
    return all;
  }();
  return tiles;
}

const void* gemm_kernel_of(const TileShape& tile) { return reinterpret_cast<const void*>(kernel_of(tile)); }

std::string tile_text(const TileShape& tile) {
  std::string text = std::to_string(tile.m) + "x" + std::to_string(tile.n);
  if (tile.share != Share::none) text += tile.share == Share::a ? ", A shared" : ", B shared";
  if (tile.scales_b == ScalesB::row) text += ", row scales";
  text += tile.output_bytes == 2 ? ", bf16" : ", f32";
  const auto name = [](FormatId format) { return std::string(format == FormatId::e5m2 ? "e5m2" : "e4m3"); };
  const bool usual = tile.format_a == FormatId::e4m3 && tile.format_b == FormatId::e4m3;
  return text + (tile.paired ? ", paired" : "") + (usual ? "" : ", " + name(tile.format_a) + " x " + name(tile.format_b));
}

Plan plan_launch(const GemmLaunch& launch, int multiprocessors) {
  const Problem& p = launch.problem;
  if (p.m < 1 || p.n < 1 || p.k < 1 || p.groups < 1) {
    refuse("m, n, k, groups are " + std::to_string(p.m) + ", " + std::to_string(p.n) + ", " + std::to_string(p.k) + ", " + std::to_string(p.groups), launch.where,
           "give positive sizes");
  }
  if (launch.output != FormatId::bf16 && launch.output != FormatId::f32) refuse("this kernel's output is bf16 or f32", launch.where, "compute f32 and narrow it");
  const i64 out_unit = launch.output == FormatId::bf16 ? 8 : 4;
  require_stride("A", launch.a.stride, p.k, 16, launch.where);
  require_stride("B", launch.b.stride, p.k, 16, launch.where);
  require_stride("D", launch.d_stride, p.n, out_unit, launch.where);
  require_stride("the scales of A", launch.a.scale_stride, p.m, 4, launch.where);
  require_stride("the scales of B", launch.b.scale_stride, launch.scales_b == ScalesB::block ? ceil_div(p.n, 128) : p.n, 4, launch.where);
  if (p.grouping != Grouping::dense && p.layout == nullptr) refuse("a grouped product has no group layout", launch.where, "give group_layout");
  const int rows = launch.expected_rows > 0 ? launch.expected_rows : p.m;
  Plan plan{};
  bool found = false;
  for (const TileShape& tile : gemm_tiles()) {
    if (!suits(tile, launch) || (launch.tile == nullptr && tile.paired) || (launch.tile != nullptr && !same(tile, *launch.tile))) continue;
    const TileShape one[1] = {tile};
    Plan candidate{};
    if (!choose_plan(one, p.grouping, rows, p.n, p.k, p.groups, multiprocessors, candidate)) continue;
    if (!found || candidate.clocks < plan.clocks) plan = candidate;
    found = true;
  }
  if (!found) refuse("no kernel has the wanted tile for this grouping, output and formats", launch.where, "leave the tile to the planner");
  return plan;
}

void launch_gemm(const GemmLaunch& gemm, cudaStream_t stream) {
  require_aligned("A", gemm.a.codes, gemm.where);
  require_aligned("B", gemm.b.codes, gemm.where);
  require_aligned("A's scales", gemm.a.scales, gemm.where);
  require_aligned("B's scales", gemm.b.scales, gemm.where);
  require_aligned("D", gemm.d, gemm.where);
  const int multiprocessors = multiprocessor_count(gemm.where);
  const Plan plan = plan_launch(gemm, multiprocessors);
  const TileShape& tile = plan.tile;
  check(cudaFuncSetAttribute(gemm_kernel_of(tile), cudaFuncAttributeMaxDynamicSharedMemorySize, shared_bytes(tile)), "cudaFuncSetAttribute", gemm.where);
  Problem problem = gemm.problem;
  problem.raster = plan.raster;
  problem.raster_along_m = plan.raster_along_m;
  const auto clusters = static_cast<unsigned>(multiprocessors / cluster_size(tile));
  const Grid grid{clusters * static_cast<unsigned>(cluster_size(tile)), static_cast<unsigned>(thread_count(tile)), shared_bytes(tile), cluster_size(tile)};
  launch("gemm", kernel_of(tile), grid, stream, gemm.where + " (" + tile_text(tile) + ")", make_maps(gemm, tile), problem);
}

}  // namespace fp8lab::cuda

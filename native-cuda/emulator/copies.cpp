#include "copies.h"

#include <cstring>

#include "block.h"
#include "include/cudaTypedefs.h"

namespace fp8lab::emulator {

namespace {

constexpr u64 map_mark = 0x70616d726f736e74;

u32 element_bytes(CUtensorMapDataType type) {
  return type == CU_TENSOR_MAP_DATA_TYPE_UINT8 ? 1 : type == CU_TENSOR_MAP_DATA_TYPE_BFLOAT16 ? 2 : 4;
}

u32 row_bytes(const TensorMap& map) { return map.box[0] * map.element_bytes; }
u32 box_bytes(const TensorMap& map) { return row_bytes(map) * map.box[1] * map.box[2]; }

/** Address of a byte of the box in shared memory: rows one behind the other, chunks of 16 bytes permuted by the address. */
u32 swizzled(const TensorMap& map, u32 address) {
  if (map.swizzle == CU_TENSOR_MAP_SWIZZLE_NONE || left_out(Omission::swizzle)) return address;
  return map.swizzle == CU_TENSOR_MAP_SWIZZLE_128B ? swizzled_128(address) : address ^ ((address >> 3) & 0x30);
}

/** The element's bytes in global memory, or null where it lies outside the tensor. */
u8* element_at(const TensorMap& map, Place p) {
  const auto inside = [](i64 at, u64 extent) { return at >= 0 && static_cast<u64>(at) < extent; };
  if (!inside(p.x, map.extents[0]) || !inside(p.y, map.extents[1]) || !inside(p.z, map.extents[2])) return nullptr;
  return map.data + static_cast<u64>(p.x) * map.element_bytes + static_cast<u64>(p.y) * map.strides[0] + static_cast<u64>(p.z) * map.strides[1];
}

/** Calls body(element of the tensor or null, address in shared memory) for every element of a box. */
template <class Body>
void for_box(const TensorMap& map, u32 address, Place place, const Body& body) {
  for (u32 z = 0; z < map.box[2]; z++) {
    for (u32 y = 0; y < map.box[1]; y++) {
      for (u32 x = 0; x < map.box[0]; x++, address += map.element_bytes) body(element_at(map, {place.x + x, place.y + y, place.z + z}), swizzled(map, address));
    }
  }
}

void fill_box(Block& block, const TensorMap& map, u32 target, u32 barrier, Place place) {
  u8* base = block.memory_at(target, box_bytes(map), 128, "a bulk load");
  for_box(map, target, place, [&](const u8* from, u32 address) {
    u8* to = base + (address - target);
    if (from != nullptr) {
      std::memcpy(to, from, map.element_bytes);
    } else {
      std::memset(to, 0, map.element_bytes);
    }
  });
  block.barrier_at(barrier).add_bytes(-static_cast<i64>(box_bytes(map)));
}

void write_box(Block& block, const TensorMap& map, u32 source, Place place) {
  const u8* base = block.memory_at(source, box_bytes(map), 128, "a bulk store");
  block.require_visible(source, box_bytes(map), "a bulk store");
  for_box(map, source, place, [&](u8* to, u32 address) {
    if (to != nullptr) std::memcpy(to, base + (address - source), map.element_bytes);
  });
}

/** As the driver refuses. */
CUresult encode_map(CUtensorMap* target, CUtensorMapDataType type, cuuint32_t rank, void* data, const cuuint64_t* extents, const cuuint64_t* strides, const cuuint32_t* box,
                    const cuuint32_t* steps, CUtensorMapInterleave, CUtensorMapSwizzle swizzle, CUtensorMapL2promotion, CUtensorMapFloatOOBfill) {
  if (rank != 3 || data == nullptr || reinterpret_cast<std::uintptr_t>(data) % 16 != 0) return CUDA_ERROR_INVALID_VALUE;
  TensorMap map{map_mark, static_cast<u8*>(data), {}, {}, {}, element_bytes(type), static_cast<u32>(swizzle)};
  for (int i = 0; i < 3; i++) {
    map.extents[i] = extents[i];
    map.box[i] = box[i];
    if (extents[i] == 0 || extents[i] > u64{1} << 32 || box[i] == 0 || box[i] > 256 || steps[i] != 1) return CUDA_ERROR_INVALID_VALUE;
  }
  for (int i = 0; i < 2; i++) {
    map.strides[i] = strides[i];
    if (strides[i] % 16 != 0 || strides[i] >= u64{1} << 40) return CUDA_ERROR_INVALID_VALUE;
  }
  const u32 widest = swizzle == CU_TENSOR_MAP_SWIZZLE_128B ? 128 : swizzle == CU_TENSOR_MAP_SWIZZLE_64B ? 64 : 1 << 20;
  if (row_bytes(map) % 16 != 0 || row_bytes(map) > widest) return CUDA_ERROR_INVALID_VALUE;
  std::memcpy(target, &map, sizeof map);
  return CUDA_SUCCESS;
}

}  // namespace

PFN_cuTensorMapEncodeTiled_v12000 map_encoder() { return encode_map; }

TensorMap read_map(const CUtensorMap& map) {
  TensorMap read;
  std::memcpy(&read, &map, sizeof read);
  if (read.mark != map_mark) fail("no-tensor-map", "a tensor map that was never encoded");
  return read;
}

void load_box(u32 target, const CUtensorMap& map, u32 barrier, Place place, u32 ranks) {
  Block& own = *current().block;
  for (u32 rank = 0; rank < own.cluster_size(); rank++) {
    if (((ranks >> rank) & 1) == 0) continue;
    Block& block = own.of_cluster(rank);
    if (!block.barrier_at(barrier).published) fail("missing-init-fence", "the copy engine is given an mbarrier without fence.mbarrier_init");
    defer(Beside::load, nullptr, [&block, box = read_map(map), target, barrier, place] { fill_box(block, box, target, barrier, place); });
  }
  if (ranks >> own.cluster_size() != 0) fail("outside-cluster", "a load for more thread blocks than the cluster has");
}

void store_box(const CUtensorMap& map, u32 source, Place place) {
  Block& block = *current().block;
  Pending& pending = block.pending(current());
  pending.stores_started++;
  const TensorMap read = read_map(map);
  block.begin_reading(source, box_bytes(read));
  defer(Beside::store, nullptr, [&block, &pending, box = read, source, place] {
    write_box(block, box, source, place);
    block.end_reading(source);
    pending.stores.finish();
  });
}

}  // namespace fp8lab::emulator

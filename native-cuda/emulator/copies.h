#pragma once
// The copy engine: boxes of tensors to shared memory and back, and the maps that describe them (CUDA driver API, cuTensorMapEncodeTiled; PTX ISA, "Tensors").

#include "include/cuda.h"
#include "scheduler.h"

namespace fp8lab::emulator {

/** What a CUtensorMap holds here: a tensor [outer, middle, inner] in boxes. */
struct TensorMap {
  u64 mark;
  u8* data;
  u64 extents[3];
  /** Bytes between neighbours along the middle and the outer dimension. */
  u64 strides[2];
  u32 box[3];
  u32 element_bytes;
  u32 swizzle;
};
static_assert(sizeof(TensorMap) <= sizeof(CUtensorMap));

/** Place of an element or a box: inner first. */
struct Place {
  i64 x, y, z;
};

/** Fails where the map was not encoded. */
TensorMap read_map(const CUtensorMap& map);

/** Starts a load into the same place of the cluster's thread blocks in `ranks`, each of whose barriers counts its bytes. */
void load_box(u32 target, const CUtensorMap& map, u32 barrier, Place place, u32 ranks);
/** Starts a store of the running thread. */
void store_box(const CUtensorMap& map, u32 source, Place place);

/** Address of the byte at `address` after the swizzle of 128 bytes: bits 4-6 by bits 7-9. */
inline u32 swizzled_128(u32 address) { return address ^ ((address >> 3) & 0x70); }

}  // namespace fp8lab::emulator

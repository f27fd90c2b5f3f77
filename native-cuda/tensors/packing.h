#pragma once
// Sub-byte and 12-bit codes as files hold them. The twin of src/tensors/packing.ts.

#include "tensor.h"

namespace fp8lab {

/** Bytes of `count` elements of a dtype in a file. E5M6 comes in groups of eight codes; F4 and F6 fill the last byte with zeros. */
i64 packed_bytes(DType dtype, i64 count);

/** Whether the lanes of a dtype are its bytes in a file. */
bool fills_lanes(DType dtype);

/** Lanes to the bytes of a file: F4 and F6 from the low end, E5M6 as TileKernels lays it out. */
void pack(const Lanes& lanes, DType dtype, u8* bytes);

/** The way back, into lanes that are there. */
void unpack(const u8* bytes, DType dtype, Lanes& lanes);

}  // namespace fp8lab

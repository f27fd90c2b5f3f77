#pragma once
// Shared-memory descriptors of wgmma and the 128- and 64-byte swizzles (PTX ISA, "Matrix-Descriptor Format" and "Swizzling Modes").

#include "../../numerics/hd.h"

namespace fp8lab::cuda {

/**
 * Descriptor of a K-major operand of 128-byte rows in 128-byte swizzle whose 8-row atoms of 1024 bytes follow each other; `address` is a multiple of 1024.
 * Bits 0-13 address / 16, 16-29 leading offset / 16 (not used by this layout; 1), 32-45 stride between atoms / 16, 49-51 base offset 0, 62-63 layout 1.
 */
FP8LAB_HD constexpr u64 operand_descriptor(u32 address) {
  return static_cast<u64>((address & 0x3ffffu) >> 4) | (u64{1} << 16) | (u64{1024 >> 4} << 32) | (u64{1} << 62);
}

/** Descriptor `k` bytes (a multiple of 32 below 128) and `rows` rows (a multiple of 8) further: the hardware applies the swizzle to the sum. */
FP8LAB_HD constexpr u64 advance_descriptor(u64 descriptor, u32 k, u32 rows) { return descriptor + ((k + rows * 128) >> 4); }

/** Byte offset of 16-byte chunk `chunk` of row `row` in a tile of 128-byte rows with 128-byte swizzle. */
FP8LAB_HD constexpr u32 swizzle128(u32 row, u32 chunk) { return row * 128 + ((chunk ^ (row & 7)) << 4); }

/** The same for 64-byte rows with 64-byte swizzle. */
FP8LAB_HD constexpr u32 swizzle64(u32 row, u32 chunk) { return row * 64 + ((chunk ^ ((row >> 1) & 3)) << 4); }

}  // namespace fp8lab::cuda

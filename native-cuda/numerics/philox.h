#pragma once
// Philox4x32-10 (Salmon et al., SC 2011): docs/numerics.md, "Inputs". The twin of src/numerics/philox.ts.

#include "hd.h"

namespace fp8lab {

/** Streams of the counter. */
enum Stream : u32 {
  stream_values = 0,
  stream_rounding = 1,
  stream_normal2 = 2,
  stream_normal3 = 3,
  stream_normal4 = 4,
  stream_outliers = 8,
  stream_masked_slots = 9,
  /** And the words after it, one stream a draw. */
  stream_routing = 16
};

struct PhiloxBlock {
  u32 words[4];
};

/** Philox4x32-10: key (key0, key1), counter (c0, c1, c2, c3). */
FP8LAB_HD PhiloxBlock philox4x32(u32 key0, u32 key1, u32 c0, u32 c1, u32 c2, u32 c3) {
  for (int round = 0; round < 10; round++) {
    const u32 high0 = multiply_high(0xd2511f53u, c0);
    const u32 high1 = multiply_high(0xcd9e8d57u, c2);
    const u32 low0 = 0xd2511f53u * c0;
    const u32 low1 = 0xcd9e8d57u * c2;
    c0 = high1 ^ c1 ^ key0;
    c1 = low1;
    c2 = high0 ^ c3 ^ key1;
    c3 = low0;
    key0 += 0x9e3779b9u;
    key1 += 0xbb67ae85u;
  }
  return {{c0, c1, c2, c3}};
}

/** The block of elements 4 * counter to 4 * counter + 3 in a stream. */
FP8LAB_HD PhiloxBlock philox_block(u32 seed, u32 counter, u32 stream) { return philox4x32(seed, 0, counter, 0, stream, 0); }

/** The word of element `index` (below 2^34) in a stream: key (seed, 0), counter (index >> 2, 0, stream, 0), lane index & 3. */
FP8LAB_HD u32 philox_word(u32 seed, u64 index, u32 stream) {
  return philox_block(seed, static_cast<u32>(index >> 2), stream).words[index & 3];
}

}  // namespace fp8lab

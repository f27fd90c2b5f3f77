#include "packing.h"

#include <cstring>

namespace fp8lab {

namespace {

bool is_e5m6(DType dtype) { return dtype == DType::E5M6; }

/** Codes of at most 6 bits as a stream of bits from the low end. */
void pack_bits(const Lanes& lanes, int bits, u8* bytes) {
  std::memset(bytes, 0, static_cast<std::size_t>((lanes.count() * bits + 7) / 8));
  const u32 mask = (1u << bits) - 1;
  for (i64 i = 0; i < lanes.count(); i++) {
    const i64 at = i * bits;
    const u32 value = (lanes.as<u8>()[i] & mask) << (at % 8);
    bytes[at / 8] = static_cast<u8>(bytes[at / 8] | value);
    if (value > 0xff) bytes[at / 8 + 1] = static_cast<u8>(bytes[at / 8 + 1] | value >> 8);
  }
}

void unpack_bits(const u8* bytes, int bits, Lanes& lanes) {
  const i64 size = (lanes.count() * bits + 7) / 8;
  for (i64 i = 0; i < lanes.count(); i++) {
    const i64 at = i * bits;
    const u32 above = at / 8 + 1 < size ? bytes[at / 8 + 1] : 0;
    lanes.as<u8>()[i] = static_cast<u8>((((above << 8) | bytes[at / 8]) >> (at % 8)) & ((1u << bits) - 1));
  }
}

/** Eight 12-bit codes h0..h7 in three u32: w0 = h0<<20 | h1<<8 | h2>>4, w1 = h2<<28 | h3<<16 | h4<<4 | h5>>8, w2 = h5<<24 | h6<<12 | h7. */
void pack_e5m6(const Lanes& lanes, u8* bytes) {
  for (i64 group = 0; group < (lanes.count() + 7) / 8; group++) {
    u32 h[8];
    for (int i = 0; i < 8; i++) h[i] = 8 * group + i < lanes.count() ? lanes.as<u16>()[8 * group + i] & 0xfffu : 0;
    const u32 words[3] = {h[0] << 20 | h[1] << 8 | h[2] >> 4, h[2] << 28 | h[3] << 16 | h[4] << 4 | h[5] >> 8,
                          h[5] << 24 | h[6] << 12 | h[7]};
    std::memcpy(bytes + 12 * group, words, 12);
  }
}

void unpack_e5m6(const u8* bytes, Lanes& lanes) {
  for (i64 group = 0; group < (lanes.count() + 7) / 8; group++) {
    u32 w[3];
    std::memcpy(w, bytes + 12 * group, 12);
    const u32 h[8] = {w[0] >> 20, w[0] >> 8, w[0] << 4 | w[1] >> 28, w[1] >> 16, w[1] >> 4, w[1] << 8 | w[2] >> 24, w[2] >> 12, w[2]};
    for (int i = 0; i < 8 && 8 * group + i < lanes.count(); i++) lanes.as<u16>()[8 * group + i] = static_cast<u16>(h[i] & 0xfff);
  }
}

}  // namespace

i64 packed_bytes(DType dtype, i64 count) { return is_e5m6(dtype) ? (count + 7) / 8 * 12 : (count * info_of(dtype).bits + 7) / 8; }

bool fills_lanes(DType dtype) { return info_of(dtype).bits % 8 == 0 && !is_e5m6(dtype); }

void pack(const Lanes& lanes, DType dtype, u8* bytes) {
  if (lanes.count() == 0) return;
  if (is_e5m6(dtype)) {
    pack_e5m6(lanes, bytes);
  } else if (fills_lanes(dtype)) {
    std::memcpy(bytes, lanes.data(), static_cast<std::size_t>(lanes.bytes()));
  } else {
    pack_bits(lanes, info_of(dtype).bits, bytes);
  }
}

void unpack(const u8* bytes, DType dtype, Lanes& lanes) {
  if (lanes.count() == 0) return;
  if (is_e5m6(dtype)) {
    unpack_e5m6(bytes, lanes);
  } else if (fills_lanes(dtype)) {
    std::memcpy(lanes.data(), bytes, static_cast<std::size_t>(lanes.bytes()));
  } else {
    unpack_bits(bytes, info_of(dtype).bits, lanes);
  }
}

}  // namespace fp8lab

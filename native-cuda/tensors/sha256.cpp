#include "sha256.h"

#include <algorithm>
#include <cstring>

namespace fp8lab {

namespace {

constexpr u32 constants[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5, 0xd807aa98, 0x12835b01, 0x243185be,
    0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174, 0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa,
    0x5cb0a9dc, 0x76f988da, 0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967, 0x27b70a85,
    0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85, 0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3,
    0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070, 0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f,
    0x682e6ff3, 0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};

u32 rotate(u32 x, int by) { return (x >> by) | (x << (32 - by)); }

}  // namespace

Sha256::Sha256() : state_{0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19} {}

void Sha256::block(const u8* bytes) {
  u32 w[64];
  for (int i = 0; i < 16; i++) {
    std::memcpy(&w[i], bytes + 4 * i, 4);
    w[i] = __builtin_bswap32(w[i]);
  }
  for (int i = 16; i < 64; i++) {
    const u32 s0 = rotate(w[i - 15], 7) ^ rotate(w[i - 15], 18) ^ (w[i - 15] >> 3);
    const u32 s1 = rotate(w[i - 2], 17) ^ rotate(w[i - 2], 19) ^ (w[i - 2] >> 10);
    w[i] = w[i - 16] + s0 + w[i - 7] + s1;
  }
  u32 s[8];
  std::copy_n(state_, 8, s);
  for (int i = 0; i < 64; i++) {
    const u32 sum1 = rotate(s[4], 6) ^ rotate(s[4], 11) ^ rotate(s[4], 25);
    const u32 t1 = s[7] + sum1 + ((s[4] & s[5]) ^ (~s[4] & s[6])) + constants[i] + w[i];
    const u32 sum0 = rotate(s[0], 2) ^ rotate(s[0], 13) ^ rotate(s[0], 22);
    const u32 t2 = sum0 + ((s[0] & s[1]) ^ (s[0] & s[2]) ^ (s[1] & s[2]));
    s[7] = s[6], s[6] = s[5], s[5] = s[4], s[4] = s[3] + t1, s[3] = s[2], s[2] = s[1], s[1] = s[0], s[0] = t1 + t2;
  }
  for (int i = 0; i < 8; i++) state_[i] += s[i];
}

void Sha256::add(const u8* bytes, i64 count) {
  i64 filled = length_ % 64;
  length_ += count;
  if (filled > 0) {
    const i64 part = std::min(count, 64 - filled);
    std::memcpy(buffer_ + filled, bytes, static_cast<std::size_t>(part));
    bytes += part, count -= part, filled += part;
    if (filled < 64) return;
    block(buffer_);
  }
  for (; count >= 64; bytes += 64, count -= 64) block(bytes);
  std::memcpy(buffer_, bytes, static_cast<std::size_t>(count));
}

std::string Sha256::hex() {
  const u64 bits = static_cast<u64>(length_) * 8;
  u8 tail[72] = {0x80};
  const i64 padding = 1 + (119 - length_ % 64) % 64;
  for (int i = 0; i < 8; i++) tail[padding + i] = static_cast<u8>(bits >> (56 - 8 * i));
  add(tail, padding + 8);
  std::string text;
  for (const u32 word : state_) {
    for (int shift = 28; shift >= 0; shift -= 4) text += "0123456789abcdef"[(word >> shift) & 15];
  }
  return text;
}

}  // namespace fp8lab

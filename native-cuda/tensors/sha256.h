#pragma once
// SHA-256 (FIPS 180-4).

#include <string>

#include "../numerics/hd.h"

namespace fp8lab {

/** SHA-256 of bytes that come in parts. */
class Sha256 {
 public:
  Sha256();
  void add(const u8* bytes, i64 count);
  /** The digest in lower-case hexadecimal; nothing may be added after. */
  std::string hex();

 private:
  void block(const u8* bytes);
  u32 state_[8];
  u8 buffer_[64];
  i64 length_ = 0;
};

}  // namespace fp8lab

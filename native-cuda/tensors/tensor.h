#pragma once
// Tensors in memory: row-major, one code a lane. The twin of src/tensors/tensor.ts.

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "../numerics/formats.h"

namespace fp8lab {

/** Element types of at most 32 bits, by their safetensors names; E5M6 has none there and is written as packed U8. */
enum class DType : u8 {
  F32,
  F16,
  BF16,
  F8_E4M3,
  F8_E5M2,
  F8_E4M3FNUZ,
  F8_E5M2FNUZ,
  F8_E8M0,
  F6_E2M3,
  F6_E3M2,
  F4,
  E5M6,
  BOOL,
  U8,
  I8,
  U16,
  I16,
  U32,
  I32
};

struct DTypeInfo {
  std::string_view name;
  /** Bits an element takes in a file. */
  int bits;
};

DTypeInfo info_of(DType dtype);

/** The dtype that holds codes of a format. */
DType dtype_of(FormatId format);

/** The format whose codes a dtype holds; false for plain integers. */
bool format_of_dtype(DType dtype, FormatId& format);

/** Bytes of a lane: 1 for dtypes up to 8 bits, 2 up to 16, else 4. */
int lane_bytes(DType dtype);

/**
 * The lanes of a tensor: 64-byte aligned, not initialized, with guard bytes behind them that a kernel must leave alone.
 */
class Lanes {
 public:
  Lanes() = default;
  /** Room for `count` lanes of `width` bytes. Throws `out-of-memory`. */
  Lanes(i64 count, int width);

  i64 count() const { return count_; }
  int width() const { return width_; }
  i64 bytes() const { return count_ * width_; }
  u8* data() { return data_.get(); }
  const u8* data() const { return data_.get(); }

  template <class T>
  T* as() {
    return reinterpret_cast<T*>(data_.get());
  }
  template <class T>
  const T* as() const {
    return reinterpret_cast<const T*>(data_.get());
  }

  u32 get(i64 i) const;
  void set(i64 i, u32 code);

  /** Fills the lanes with a pattern that no kernel gives by chance. */
  void poison();
  /** Whether the guard bytes are as they were made. */
  bool guarded() const;

 private:
  struct Free {
    void operator()(u8* data) const;
  };
  i64 count_ = 0;
  int width_ = 1;
  std::unique_ptr<u8[], Free> data_;
};

struct Tensor {
  DType dtype = DType::U8;
  std::vector<i64> shape;
  Lanes lanes;
};

/** Named tensors: the inputs or results of a kernel. */
using Tensors = std::map<std::string, Tensor>;

/** Number of elements of a shape. */
i64 element_count(const std::vector<i64>& shape);

/** A tensor with room for its lanes, not initialized. */
Tensor allocate(DType dtype, std::vector<i64> shape);

/** A poisoned tensor, for results: see Lanes::poison. */
Tensor allocate_result(DType dtype, std::vector<i64> shape);

/** `[2, 3]`. */
std::string shape_text(const std::vector<i64>& shape);

}  // namespace fp8lab

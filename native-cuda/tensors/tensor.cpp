#include "tensor.h"

#include <cstdlib>
#include <cstring>
#include <utility>

#include "../errors.h"

namespace fp8lab {

namespace {

constexpr i64 guard_bytes = 64;
constexpr u8 guard_value = 0xc9;
constexpr u8 poison_value = 0xb7;

constexpr DTypeInfo infos[] = {
    {"F32", 32},    {"F16", 16},    {"BF16", 16},   {"F8_E4M3", 8}, {"F8_E5M2", 8}, {"F8_E4M3FNUZ", 8}, {"F8_E5M2FNUZ", 8},
    {"F8_E8M0", 8}, {"F6_E2M3", 6}, {"F6_E3M2", 6}, {"F4", 4},      {"E5M6", 12},   {"BOOL", 8},        {"U8", 8},
    {"I8", 8},      {"U16", 16},    {"I16", 16},    {"U32", 32},    {"I32", 32},
};

constexpr std::pair<FormatId, DType> pairs[] = {
    {FormatId::e4m3, DType::F8_E4M3},
    {FormatId::e5m2, DType::F8_E5M2},
    {FormatId::e8m0, DType::F8_E8M0},
    {FormatId::e2m1, DType::F4},
    {FormatId::e2m3, DType::F6_E2M3},
    {FormatId::e3m2, DType::F6_E3M2},
    {FormatId::e5m6, DType::E5M6},
    {FormatId::e4m3fnuz, DType::F8_E4M3FNUZ},
    {FormatId::e5m2fnuz, DType::F8_E5M2FNUZ},
    {FormatId::bf16, DType::BF16},
    {FormatId::f16, DType::F16},
    {FormatId::f32, DType::F32},
};

}  // namespace

DTypeInfo info_of(DType dtype) { return infos[static_cast<int>(dtype)]; }

DType dtype_of(FormatId format) {
  for (const auto& [id, dtype] : pairs) {
    if (id == format) return dtype;
  }
  return DType::U8;
}

bool format_of_dtype(DType dtype, FormatId& format) {
  for (const auto& [id, held] : pairs) {
    if (held != dtype) continue;
    format = id;
    return true;
  }
  return false;
}

int lane_bytes(DType dtype) {
  const int bits = info_of(dtype).bits;
  return bits <= 8 ? 1 : bits <= 16 ? 2 : 4;
}

void Lanes::Free::operator()(u8* data) const { std::free(data); }

Lanes::Lanes(i64 count, int width) : count_(count), width_(width) {
  const i64 size = (bytes() + guard_bytes + 63) / 64 * 64;
  data_.reset(static_cast<u8*>(std::aligned_alloc(64, static_cast<std::size_t>(size))));
  if (!data_) {
    throw Error(ErrorKind::environment, "out-of-memory", "no memory for a tensor of " + std::to_string(bytes()) + " bytes", "memory",
                "use a smaller shape, or a machine with more memory");
  }
  std::memset(data() + bytes(), guard_value, guard_bytes);
}

u32 Lanes::get(i64 i) const {
  if (width_ == 1) return as<u8>()[i];
  return width_ == 2 ? as<u16>()[i] : as<u32>()[i];
}

void Lanes::set(i64 i, u32 code) {
  if (width_ == 1) {
    as<u8>()[i] = static_cast<u8>(code);
  } else if (width_ == 2) {
    as<u16>()[i] = static_cast<u16>(code);
  } else {
    as<u32>()[i] = code;
  }
}

void Lanes::poison() { std::memset(data(), poison_value, static_cast<std::size_t>(bytes())); }

bool Lanes::guarded() const {
  for (i64 i = 0; i < guard_bytes; i++) {
    if (data()[bytes() + i] != guard_value) return false;
  }
  return true;
}

i64 element_count(const std::vector<i64>& shape) {
  i64 count = 1;
  for (const i64 extent : shape) count *= extent;
  return count;
}

Tensor allocate(DType dtype, std::vector<i64> shape) {
  const i64 count = element_count(shape);
  return {dtype, std::move(shape), Lanes(count, lane_bytes(dtype))};
}

Tensor allocate_result(DType dtype, std::vector<i64> shape) {
  Tensor tensor = allocate(dtype, std::move(shape));
  tensor.lanes.poison();
  return tensor;
}

std::string shape_text(const std::vector<i64>& shape) {
  std::string text = "[";
  for (std::size_t i = 0; i < shape.size(); i++) text += (i == 0 ? "" : ", ") + std::to_string(shape[i]);
  return text + "]";
}

}  // namespace fp8lab

// Inputs from their seeds, on all cores. The values are those of numerics/generate.h, made many at a time.

#include <algorithm>
#include <cstring>
#include <vector>

#include "../../errors.h"
#include "../../tensors/safetensors.h"
#include "../inputs.h"
#include "lanes.h"
#include "parallel.h"

namespace fp8lab {

namespace {

constexpr i64 chunk = 4096;

using Words = std::vector<u32>;

/** Words of `count` elements of a stream, from element `first`, a multiple of 4. */
void stream_words(const GeneratedInput& input, i64 first, i64 count, u32 stream, Words& words) {
  host::lane_ops().philox(input.seed, static_cast<u32>(first / 4), stream, words.data(), (count + 3) / 4);
}

/** f32 bits of `normal` values before their power of two. */
void normal_integers(const GeneratedInput& input, i64 first, i64 count, std::vector<float>& values) {
  Words words[4];
  const u32 streams[4] = {stream_values, stream_normal2, stream_normal3, stream_normal4};
  for (int i = 0; i < 4; i++) {
    words[i].resize(chunk);
    stream_words(input, first, count, streams[i], words[i]);
  }
  for (i64 i = 0; i < count; i++) {
    const auto at = static_cast<std::size_t>(i);
    values[at] = normal_integer(words[0][at], words[1][at], words[2][at], words[3][at]);
  }
}

/** Which rows or columns are scaled up; empty for generators without outliers. */
std::vector<u8> outlier_lines(const GeneratedInput& input, i64 rows, i64 columns) {
  if (input.generator != Generator::outlier_channels && input.generator != Generator::outlier_tokens) return {};
  std::vector<u8> lines(static_cast<std::size_t>(input.generator == Generator::outlier_channels ? columns : rows));
  for (std::size_t i = 0; i < lines.size(); i++) lines[i] = is_outlier(input, i) ? 1 : 0;
  return lines;
}

/** f32 bits of a chunk of values, before the dtype's rounding. */
void value_bits(const GeneratedInput& input, i64 columns, const std::vector<u8>& outliers, i64 first, i64 count, Words& bits) {
  std::vector<float> values(chunk);
  double unit = 1.0 / 67108864.0;
  if (input.generator == Generator::uniform || input.generator == Generator::positive) {
    stream_words(input, first, count, stream_values, bits);
    const i32 centre = input.generator == Generator::uniform ? 8388608 : 0;
    unit = input.generator == Generator::uniform ? 1.0 / 8388608.0 : 1.0 / 16777216.0;
    for (std::size_t i = 0; i < static_cast<std::size_t>(count); i++)
      values[i] = static_cast<float>(static_cast<i32>(bits[i] >> 8) - centre);
  } else if (input.generator == Generator::near_ties) {
    stream_words(input, first, count, stream_values, bits);
    unit = 1.0 / 4194304.0;
    for (std::size_t i = 0; i < static_cast<std::size_t>(count); i++) values[i] = static_cast<float>(near_tie_integer(bits[i]));
  } else {
    normal_integers(input, first, count, values);
  }
  const double plain = power_of_two(input.exponent) * unit;
  const double raised = power_of_two(input.exponent + input.factor_exponent) * unit;
  const bool by_column = input.generator == Generator::outlier_channels;
  for (i64 i = 0; i < count; i++) {
    const i64 line = outliers.empty() ? 0 : by_column ? (first + i) % columns : (first + i) / columns;
    const bool outlier = !outliers.empty() && outliers[static_cast<std::size_t>(line)] != 0;
    const auto at = static_cast<std::size_t>(i);
    bits[at] = float_bits(static_cast<float>(values[at] * (outlier ? raised : plain)));
  }
}

/** Rounds f32 bits to the dtype: nearest even, saturating. */
void narrow_values(FormatId dtype, const Words& bits, i64 first, i64 count, Lanes& lanes) {
  const Format format = format_of(dtype);
  if (dtype == FormatId::bf16) {
    host::lane_ops().narrow_bf16(bits.data(), lanes.as<u16>() + first, count);
    // The lanes go to Inf past the largest value; such values are rare enough to be done again.
    for (i64 i = first; i < first + count; i++) {
      if ((lanes.as<u16>()[i] & 0x7fff) == 0x7f80) lanes.as<u16>()[i] = static_cast<u16>(lanes.as<u16>()[i] - 1);
    }
    return;
  }
  for (i64 i = 0; i < count; i++) {
    lanes.set(first + i, encode(bits[static_cast<std::size_t>(i)], format, Rounding::nearest_even, Overflow::saturate));
  }
}

/** Elements `first` to `first + count` - 1 into the lanes from `at` on; `first` is a multiple of 4. */
void fill_chunk(const GeneratedInput& input, i64 columns, const std::vector<u8>& outliers, i64 first, i64 count, Lanes& lanes, i64 at) {
  Words bits(chunk);
  if (!cuts_codes(input.generator)) {
    value_bits(input, columns, outliers, first, count, bits);
    narrow_values(input.dtype, bits, at, count, lanes);
    return;
  }
  stream_words(input, first, count, stream_values, bits);
  for (i64 i = 0; i < count; i++) lanes.set(at + i, code_of_word(input, bits[static_cast<std::size_t>(i)]));
}

}  // namespace

Tensor generate_tensor(const GeneratedInput& input, std::vector<i64> shape, int threads) {
  const i64 rows = shape.empty() ? 1 : shape.front();
  return generate_rows(input, std::move(shape), 0, rows, threads);
}

Tensor generate_rows(const GeneratedInput& input, std::vector<i64> shape, i64 first_row, i64 rows, int threads) {
  const i64 all = element_count(shape), inner = shape.empty() || shape.front() == 0 ? 1 : all / shape.front();
  const i64 columns = shape.empty() ? 1 : shape.back();
  if (!shape.empty()) shape.front() = rows;
  Tensor tensor = allocate(dtype_of(input.dtype), std::move(shape));
  const i64 count = tensor.lanes.count(), begin = first_row * inner;
  if (input.generator == Generator::zero) {
    std::memset(tensor.lanes.data(), 0, static_cast<std::size_t>(tensor.lanes.bytes()));
    return tensor;
  }
  const std::vector<u8> outliers = outlier_lines(input, columns == 0 ? 0 : all / columns, columns);
  // Words come four at a time: what lies before the first element is made too, and dropped.
  const i64 spare = begin % 4;
  Lanes widened;
  if (spare != 0) widened = Lanes(count + spare, tensor.lanes.width());
  Lanes& lanes = spare == 0 ? tensor.lanes : widened;
  host::parallel_for(threads, (count + spare + chunk - 1) / chunk, [&](i64 i) {
    fill_chunk(input, columns, outliers, begin - spare + i * chunk, std::min(chunk, count + spare - i * chunk), lanes, i * chunk);
  });
  if (spare != 0) std::memcpy(tensor.lanes.data(), widened.data() + spare * widened.width(), static_cast<std::size_t>(tensor.lanes.bytes()));
  return tensor;
}

Tensor generate_integers(const IntegerInput& input, std::vector<i64> shape, int threads) {
  const i64 columns = shape.size() < 2 ? 1 : shape.back();
  Tensor tensor = allocate(DType::I32, std::move(shape));
  u32* lanes = tensor.lanes.as<u32>();
  const i64 count = tensor.lanes.count();
  const bool routing = input.generator == IntegerGenerator::routing;
  const i64 rows = columns == 0 ? 0 : count / columns;
  const i64 some = std::max<i64>(1, chunk / std::max<i64>(1, columns));
  host::parallel_for(threads, (rows + some - 1) / some, [&](i64 task) {
    for (i64 row = task * some; row < std::min((task + 1) * some, rows); row++) {
      u32* first = lanes + row * columns;
      if (routing) generate_routing_row(input, static_cast<u64>(row), static_cast<u32>(columns), first);
      for (i64 i = 0; i < columns && !routing; i++) first[i] = generated_integer(input, static_cast<u64>(row * columns + i));
    }
  });
  return tensor;
}

const Tensors& materialize_inputs(const Spec& spec, const Tensors& given, Tensors& made, int threads) {
  if (!given.empty()) return given;
  for (InputDeclaration& declaration : declare_inputs(spec)) {
    if (const auto* file = std::get_if<FileInput>(&declaration.input)) {
      made.insert_or_assign(declaration.name, read_tensor(file->file, file->tensor));
      continue;
    }
    if (const auto* known = std::get_if<KnownIntegers>(&declaration.input)) {
      Tensor tensor = allocate(DType::I32, declaration.shape);
      std::copy(known->values.begin(), known->values.end(), tensor.lanes.as<i32>());
      made.insert_or_assign(declaration.name, std::move(tensor));
      continue;
    }
    if (const auto* integers = std::get_if<IntegerInput>(&declaration.input)) {
      made.insert_or_assign(declaration.name, generate_integers(*integers, declaration.shape, threads));
      continue;
    }
    Tensor tensor = generate_tensor(std::get<GeneratedInput>(declaration.input), declaration.shape, threads);
    if (lane_bytes(declaration.dtype) != tensor.lanes.width()) {
      throw input_error("wrong-dtype",
                        "the generator of " + declaration.name + " gives " + std::string(info_of(tensor.dtype).name) + ", the spec needs " +
                            std::string(info_of(declaration.dtype).name),
                        declaration.name, "generate codes of the scheme's own formats");
    }
    // Packed exponents are generated as 32-bit words.
    tensor.dtype = declaration.dtype;
    made.insert_or_assign(declaration.name, std::move(tensor));
  }
  return made;
}

}  // namespace fp8lab

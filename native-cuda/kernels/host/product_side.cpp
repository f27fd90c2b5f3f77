#include "product_side.h"

#include <algorithm>

#include "lanes.h"
#include "parallel.h"

namespace fp8lab::host {

namespace {

CodeTable code_table(const Format& format, int width) {
  const std::size_t size = std::size_t{1} << (8 * width);
  CodeTable table{std::vector<float>(size), std::vector<float>(size), std::vector<std::int16_t>(size), std::vector<Operand>(size)};
  for (u32 lane = 0; lane < size; lane++) {
    const u32 code = lane & ((1u << format.bits) - 1);
    const Operand operand = decode_operand(code, format);
    table.values[lane] = bits_float(decode(code, format));
    const bool finite = operand.special == Special::none;
    table.finite_values[lane] = finite ? table.values[lane] : 0.0f;
    table.exponents[lane] = finite && operand.significand != 0 ? static_cast<std::int16_t>(operand.exponent) : zero_exponent;
    table.operands[lane] = operand;
  }
  return table;
}

void widen_range(ExponentRange& range, const Operand& operand) {
  if (operand.special != Special::none) {
    range.special = true;
  } else if (operand.significand != 0) {
    range.low = std::min(range.low, operand.exponent);
    range.high = std::max(range.high, operand.exponent);
  }
}

/** The range of the codes that occur: which do is found first, so that each counts once. */
ExponentRange exponent_range(const Lanes& lanes, const CodeTable& table, int threads) {
  const std::size_t size = table.values.size();
  const i64 parts = std::min<i64>(thread_count(threads), std::max<i64>(1, lanes.count() >> 16));
  std::vector<std::vector<u8>> seen(static_cast<std::size_t>(parts), std::vector<u8>(size));
  parallel_for(threads, parts, [&](i64 part) {
    u8* mine = seen[static_cast<std::size_t>(part)].data();
    with_codes(lanes, [&](const auto* codes) {
      for (i64 i = lanes.count() * part / parts; i < lanes.count() * (part + 1) / parts; i++) mine[codes[i]] = 1;
    });
  });
  ExponentRange range;
  for (std::size_t code = 0; code < size; code++) {
    const bool occurs = std::any_of(seen.begin(), seen.end(), [&](const std::vector<u8>& part) { return part[code] != 0; });
    if (occurs) widen_range(range, table.operands[code]);
  }
  return range;
}

}  // namespace

Side product_side(const Quantized& quantized, const Scheme& scheme, int threads) {
  const Tensor& codes = *quantized.codes;
  const Format format = format_of(scheme.format);
  CodeTable table = code_table(format, codes.lanes.width());
  const ExponentRange range = exponent_range(codes.lanes, table, threads);
  const TileGrid grid = tile_grid(codes.shape[0], codes.shape[1], scheme);
  return {codes, format, std::move(table), range, grid, tile_factors(quantized, scheme)};
}

}  // namespace fp8lab::host

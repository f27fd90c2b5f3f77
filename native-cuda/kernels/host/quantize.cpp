// quantize and dequantize on the host: bands of tiles, each read twice (amax, then codes) while it is in cache.

#include <algorithm>
#include <cstring>
#include <vector>

#include "../../numerics/philox.h"
#include "../tiles.h"
#include "kernels.h"
#include "lanes.h"
#include "parallel.h"

namespace fp8lab::host {

namespace {

/** Columns worked on at a time: their f32 bits stay in the first-level cache. */
constexpr i64 span = 2048;
/** Elements a task takes at least, so that its rows are read again from the second-level cache. */
constexpr i64 task_elements = 1 << 16;
/** Tiles narrower than this have their factors spread out, one an element. */
constexpr i64 narrow_tile = 16;

/** Everything one quantization works with. */
struct Job {
  const RowSource& source;
  i64 rows;
  i64 columns;
  const Scheme& scheme;
  TileGrid grid;
  Format format;
  FastFormat fast;
  bool is_fast;
  u32 tensor_scale;
  Lanes& codes;
  u32* scales;
};

/** Calls body(tile column, first column, end column) for every tile that [from, to) meets. */
template <class Body>
void for_each_segment(const TileGrid& grid, i64 from, i64 to, const Body& body) {
  for (i64 at = from; at < to;) {
    const i64 tile = at / grid.tile_columns;
    const i64 end = std::min((tile + 1) * grid.tile_columns, to);
    body(tile, at, end);
    at = end;
  }
}

/** amax of every tile column over the rows [top, bottom), into amax [grid.columns], which holds what came before. */
void add_amax(const Job& job, i64 top, i64 bottom, u32* amax) {
  const LaneOps& ops = lane_ops();
  std::vector<u32> bits(span), each(job.grid.tile_columns < narrow_tile ? span : 0);
  for (i64 from = 0; from < job.columns; from += span) {
    const i64 to = std::min(from + span, job.columns);
    std::fill(each.begin(), each.end(), 0);
    for (i64 row = top; row < bottom; row++) {
      job.source(row, from, to - from, bits.data());
      if (!each.empty()) {
        ops.amax_each(bits.data(), each.data(), to - from);
        continue;
      }
      for_each_segment(job.grid, from, to, [&](i64 tile, i64 begin, i64 end) {
        amax[tile] = std::max(amax[tile], ops.amax(bits.data() + (begin - from), end - begin));
      });
    }
    for (i64 i = 0; !each.empty() && i < to - from; i++) {
      u32& tile = amax[(from + i) / job.grid.tile_columns];
      tile = std::max(tile, each[static_cast<std::size_t>(i)]);
    }
  }
}

/** The one f32 operation that a factor stands for; `shift` is an exact multiplication in the fast formats' range. */
float operand_of(const Factor& factor) {
  switch (factor.kind) {
    case FactorKind::divide:
    case FactorKind::multiply: return bits_float(factor.bits);
    case FactorKind::shift: return static_cast<float>(__builtin_ldexp(1.0, factor.exponent));
    case FactorKind::none: return 1.0f;
    case FactorKind::nan: return bits_float(nan_bits);
  }
  return 1.0f;
}

/** Codes of a segment of one tile by the encoder that knows every rule. */
void encode_slowly(const Job& job, const u32* bits, i64 first, i64 count, const Factor& factor) {
  const Scheme& scheme = job.scheme;
  const bool stochastic = scheme.rounding == Rounding::stochastic;
  for (i64 i = 0; i < count; i++) {
    const u32 random = stochastic ? philox_word(scheme.seed, static_cast<u64>(first + i), stream_rounding) : 0;
    job.codes.set(first + i, quantize_bits(bits[i], factor, job.format, scheme.rounding, scheme.overflow, random));
  }
}

void encode_segment(const Job& job, const u32* bits, i64 first, i64 count, const Factor& factor) {
  if (!job.is_fast) return encode_slowly(job, bits, first, count, factor);
  const bool divide = factor.kind == FactorKind::divide;
  if (job.codes.width() == 1) {
    lane_ops().encode_8(bits, job.codes.as<u8>() + first, count, job.fast, operand_of(factor), divide);
  } else {
    lane_ops().encode_16(bits, job.codes.as<u16>() + first, count, job.fast, operand_of(factor), divide);
  }
}

/** Codes of rows [top, bottom), all of one band of tiles with these factors. */
void encode_rows(const Job& job, i64 top, i64 bottom, const std::vector<Factor>& factors) {
  const bool spread = job.grid.tile_columns < narrow_tile && job.is_fast && job.codes.width() == 1;
  // Whether a factor divides is the recipe's doing; a tile whose factor is none or NaN multiplies by 1 or NaN, or divides by it: the same.
  const bool divide = std::any_of(factors.begin(), factors.end(), [](const Factor& factor) { return factor.kind == FactorKind::divide; });
  std::vector<u32> bits(span);
  std::vector<float> each(spread ? span : 0);
  for (i64 from = 0; from < job.columns; from += span) {
    const i64 to = std::min(from + span, job.columns);
    for (i64 i = from; spread && i < to; i++)
      each[static_cast<std::size_t>(i - from)] = operand_of(factors[static_cast<std::size_t>(i / job.grid.tile_columns)]);
    for (i64 row = top; row < bottom; row++) {
      const i64 first = row * job.columns;
      job.source(row, from, to - from, bits.data());
      if (spread) {
        lane_ops().encode_each_8(bits.data(), job.codes.as<u8>() + first + from, to - from, job.fast, each.data(), divide);
        continue;
      }
      for_each_segment(job.grid, from, to, [&](i64 tile, i64 begin, i64 end) {
        encode_segment(job, bits.data() + (begin - from), first + begin, end - begin, factors[static_cast<std::size_t>(tile)]);
      });
    }
  }
}

/** Stored scales and factors of one band of tiles from its amax. */
std::vector<Factor> scale_band(const Job& job, i64 band, const u32* amax) {
  std::vector<Factor> factors(static_cast<std::size_t>(job.grid.columns));
  for (i64 tile = 0; tile < job.grid.columns; tile++) {
    const TileScale scale = tile_scale(amax[tile], job.scheme, job.tensor_scale);
    job.scales[band * job.grid.columns + tile] = scale.stored;
    factors[static_cast<std::size_t>(tile)] = scale.factor;
  }
  return factors;
}

/** Many bands: each task takes some of them. */
void quantize_bands(const Job& job, int threads) {
  const i64 band_elements = job.grid.tile_rows * job.columns;
  const i64 some = std::max<i64>(1, task_elements / std::max<i64>(1, band_elements));
  parallel_for(threads, (job.grid.rows + some - 1) / some, [&](i64 task) {
    std::vector<u32> amax(static_cast<std::size_t>(job.grid.columns));
    for (i64 band = task * some; band < std::min((task + 1) * some, job.grid.rows); band++) {
      const i64 top = band * job.grid.tile_rows;
      const i64 bottom = std::min(top + job.grid.tile_rows, job.rows);
      std::fill(amax.begin(), amax.end(), 0);
      add_amax(job, top, bottom, amax.data());
      encode_rows(job, top, bottom, scale_band(job, band, amax.data()));
    }
  });
}

/** amax of every tile column over [top, bottom), the rows shared among the threads. */
std::vector<u32> shared_amax(const Job& job, i64 top, i64 bottom, int threads) {
  const i64 parts = std::min<i64>(thread_count(threads), bottom - top);
  std::vector<std::vector<u32>> partial(static_cast<std::size_t>(parts), std::vector<u32>(static_cast<std::size_t>(job.grid.columns)));
  parallel_for(threads, parts, [&](i64 part) {
    const i64 rows = bottom - top;
    add_amax(job, top + rows * part / parts, top + rows * (part + 1) / parts, partial[static_cast<std::size_t>(part)].data());
  });
  for (std::size_t part = 1; part < partial.size(); part++) {
    for (std::size_t tile = 0; tile < partial[0].size(); tile++) partial[0][tile] = std::max(partial[0][tile], partial[part][tile]);
  }
  return std::move(partial[0]);
}

/** Few, tall bands (a whole column, a whole tensor): the threads share the rows of each. */
void quantize_tall_bands(const Job& job, int threads) {
  for (i64 band = 0; band < job.grid.rows; band++) {
    const i64 top = band * job.grid.tile_rows;
    const i64 bottom = std::min(top + job.grid.tile_rows, job.rows);
    const std::vector<Factor> factors = scale_band(job, band, shared_amax(job, top, bottom, threads).data());
    const i64 some = std::max<i64>(1, task_elements / job.columns);
    parallel_for(threads, (bottom - top + some - 1) / some, [&](i64 task) {
      const i64 first = top + task * some;
      encode_rows(job, first, std::min(first + some, bottom), factors);
    });
  }
}

/** The tensor scale of nvfp4, from the amax of the whole tensor. */
u32 find_tensor_scale(const RowSource& source, i64 rows, i64 columns, int threads) {
  const i64 parts = std::min<i64>(thread_count(threads), rows);
  std::vector<u32> amax(static_cast<std::size_t>(parts));
  parallel_for(threads, parts, [&](i64 part) {
    std::vector<u32> bits(span);
    u32 largest = 0;
    for (i64 row = rows * part / parts; row < rows * (part + 1) / parts; row++) {
      for (i64 from = 0; from < columns; from += span) {
        const i64 count = std::min(span, columns - from);
        source(row, from, count, bits.data());
        largest = std::max(largest, lane_ops().amax(bits.data(), count));
      }
    }
    amax[static_cast<std::size_t>(part)] = largest;
  });
  return tensor_scale_bits(*std::max_element(amax.begin(), amax.end()));
}

}  // namespace

Quantized quantize(const RowSource& source, i64 rows, i64 columns, const Scheme& scheme, int threads) {
  const TileGrid grid = tile_grid(rows, columns, scheme);
  const bool nvfp4 = scheme.recipe == Recipe::nvfp4;
  const u32 tensor_scale = nvfp4 ? find_tensor_scale(source, rows, columns, threads) : one_bits;
  auto codes = std::make_shared<Tensor>(allocate_result(dtype_of(scheme.format), {rows, columns}));
  std::vector<u32> scales(static_cast<std::size_t>(grid.rows * grid.columns));
  Job job{source, rows, columns, scheme, grid, format_of(scheme.format), {}, false, tensor_scale, codes->lanes, scales.data()};
  job.is_fast = fast_format(job.format, scheme.rounding, scheme.overflow, job.fast);
  if (grid.rows >= 2 * thread_count(threads)) {
    quantize_bands(job, threads);
  } else {
    quantize_tall_bands(job, threads);
  }
  Quantized quantized{codes, std::make_shared<Tensor>(store_scales(scales.data(), grid, scheme)), nullptr};
  if (!nvfp4) return quantized;
  auto second = std::make_shared<Tensor>(allocate_result(DType::F32, {1}));
  second->lanes.set(0, tensor_scale);
  quantized.tensor_scale = second;
  return quantized;
}

Tensor dequantize(const Quantized& quantized, const Scheme& scheme, FormatId output, int threads) {
  const i64 rows = quantized.codes->shape[0];
  const i64 columns = quantized.codes->shape[1];
  const RowSource source = dequantized(quantized, scheme);
  Tensor x = allocate_result(dtype_of(output), {rows, columns});
  const i64 some = std::max<i64>(1, task_elements / columns);
  parallel_for(threads, (rows + some - 1) / some, [&](i64 task) {
    std::vector<u32> bits(span);
    for (i64 row = task * some; row < std::min((task + 1) * some, rows); row++) {
      for (i64 from = 0; from < columns; from += span) {
        const i64 count = std::min(span, columns - from);
        source(row, from, count, bits.data());
        narrow(bits.data(), count, output, x.lanes, row * columns + from);
      }
    }
  });
  return x;
}

}  // namespace fp8lab::host

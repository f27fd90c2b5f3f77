// Operands as the kernels take them: rows of f32 bits, codes with scales.

#include <array>

#include "../../errors.h"
#include "../inputs.h"
#include "../tiles.h"
#include "kernels.h"
#include "lanes.h"

namespace fp8lab::host {

namespace {

/** f32 bits of every value a lane of at most 16 bits may have; codes past the format's width count without their upper bits. */
std::vector<u32> decode_table(const Format& format, int width) {
  std::vector<u32> table(std::size_t{1} << (8 * width));
  for (u32 code = 0; code < table.size(); code++) table[code] = decode(code & ((1u << format.bits) - 1), format);
  return table;
}

std::shared_ptr<const Tensor> borrow(const Tensor& tensor) { return {std::shared_ptr<void>(), &tensor}; }

}  // namespace

RowSource widened(const Tensor& x) {
  const i64 columns = x.shape.back();
  const Lanes& lanes = x.lanes;
  const LaneOps& ops = lane_ops();
  if (x.dtype == DType::F32) {
    return [&lanes, columns](i64 row, i64 column, i64 count, u32* bits) {
      std::copy_n(lanes.as<u32>() + row * columns + column, count, bits);
    };
  }
  if (x.dtype == DType::BF16 || x.dtype == DType::F16) {
    const auto widen = x.dtype == DType::BF16 ? ops.widen_bf16 : ops.widen_f16;
    return [&lanes, columns, widen](i64 row, i64 column, i64 count, u32* bits) {
      widen(lanes.as<u16>() + row * columns + column, bits, count);
    };
  }
  FormatId format;
  if (!format_of_dtype(x.dtype, format)) {
    throw input_error("wrong-dtype", "a tensor of dtype " + std::string(info_of(x.dtype).name) + " cannot be read as numbers",
                      "input tensor", "give F32, BF16, F16 or an FP8, FP6 or FP4 dtype");
  }
  return [&lanes, columns, table = decode_table(format_of(format), lanes.width())](i64 row, i64 column, i64 count, u32* bits) {
    for (i64 i = 0; i < count; i++) bits[i] = table[lanes.get(row * columns + column + i)];
  };
}

std::vector<u32> tile_factors(const Quantized& quantized, const Scheme& scheme) {
  const TileGrid grid = tile_grid(quantized.codes->shape[0], quantized.codes->shape[1], scheme);
  const u32 tensor_scale = quantized.tensor_scale ? quantized.tensor_scale->lanes.get(0) : one_bits;
  std::vector<u32> factors = load_scales(*quantized.scales, grid, scheme);
  for (u32& factor : factors) factor = scale_bits(factor, scheme, tensor_scale);
  return factors;
}

RowSource dequantized(const Quantized& quantized, const Scheme& scheme) {
  const Tensor& codes = *quantized.codes;
  const i64 columns = codes.shape[1];
  const TileGrid grid = tile_grid(codes.shape[0], columns, scheme);
  const Lanes& lanes = codes.lanes;
  std::vector<u32> factors = tile_factors(quantized, scheme);
  if (lanes.width() == 4) {
    return [&lanes, columns, grid, factors = std::move(factors)](i64 row, i64 column, i64 count, u32* bits) {
      for (i64 i = 0; i < count; i++) {
        const auto tile = static_cast<std::size_t>(row / grid.tile_rows * grid.columns + (column + i) / grid.tile_columns);
        const u32 code = decode(lanes.get(row * columns + column + i), format_of(FormatId::f32));
        bits[i] = mul_bits(code, factors[tile]);
      }
    };
  }
  std::vector<u32> table = decode_table(format_of(scheme.format), lanes.width());
  return [&lanes, columns, grid, factors = std::move(factors), table = std::move(table), &ops = lane_ops()](i64 row, i64 column, i64 count,
                                                                                                            u32* bits) {
    const auto* values = reinterpret_cast<const float*>(table.data());
    const auto first_tile = static_cast<std::size_t>(row / grid.tile_rows * grid.columns);
    for (i64 at = column; at < column + count;) {
      const i64 tile = at / grid.tile_columns;
      const i64 end = std::min((tile + 1) * grid.tile_columns, column + count);
      const float factor = bits_float(factors[first_tile + static_cast<std::size_t>(tile)]);
      const i64 first = row * columns + at;
      if (lanes.width() == 1) {
        ops.scale_8(lanes.as<u8>() + first, values, factor, bits + (at - column), end - at);
      } else {
        for (i64 i = 0; i < end - at; i++) bits[at - column + i] = canonical_bits(mul_rn(values[lanes.as<u16>()[first + i]], factor));
      }
      at = end;
    }
  };
}

void narrow(const u32* bits, i64 count, FormatId output, Lanes& lanes, i64 first) {
  if (output == FormatId::f32) {
    std::copy_n(bits, count, lanes.as<u32>() + first);
  } else if (output == FormatId::bf16) {
    lane_ops().narrow_bf16(bits, lanes.as<u16>() + first, count);
  } else {
    FastFormat fast;
    fast_format(format_of(output), Rounding::nearest_even, Overflow::ieee, fast);
    lane_ops().encode_16(bits, lanes.as<u16>() + first, count, fast, 1.0f, false);
  }
}

Quantized quantized_operand(const std::string& name, const OperandSpec& operand, const Tensors& inputs, i64 rows, i64 columns,
                            int threads) {
  const OperandNames names = operand_names(name);
  if (inputs.count(names.scales) == 0 && !operand.codes) {
    const Tensor& x = require_tensor(inputs, name);
    require_shape(name, x, {rows, columns});
    return quantize(widened(x), rows, columns, operand.scheme, threads);
  }
  const Tensor& codes = require_tensor(inputs, names.codes);
  require_shape(names.codes, codes, {rows, columns});
  require_dtype(names.codes, codes, dtype_of(operand.scheme.format));
  const Tensor& scales = require_tensor(inputs, names.scales);
  require_dtype(names.scales, scales, scale_dtype(operand.scheme));
  Quantized quantized{borrow(codes), borrow(scales), nullptr};
  const auto tensor_scale = inputs.find(names.tensor_scale);
  if (tensor_scale != inputs.end()) {
    require_dtype(names.tensor_scale, tensor_scale->second, DType::F32);
    require_shape(names.tensor_scale, tensor_scale->second, {1});
    quantized.tensor_scale = borrow(tensor_scale->second);
  }
  return quantized;
}

}  // namespace fp8lab::host

#include "rows.h"

#include <cstring>

#include "../errors.h"
#include "../kernels/placement.h"
#include "../kernels/tiles.h"

namespace fp8lab::moe {

WireRows to_wire(const host::Quantized& quantized, const Scheme& scheme) {
  const Tensor& codes = *quantized.codes;
  const TileGrid grid = tile_grid(codes.shape[0], codes.shape[1], scheme);
  WireRows wire;
  wire.rows = codes.shape[0];
  wire.columns = codes.shape[1];
  wire.scale_columns = grid.columns;
  wire.code_bytes = codes.lanes.width();
  wire.scale_bytes = lane_bytes(dtype_of(scheme.scale_type));
  wire.codes.assign(codes.lanes.data(), codes.lanes.data() + codes.lanes.bytes());
  const std::vector<u32> scales = load_scales(*quantized.scales, grid, scheme);
  for (const u32 scale : scales) {
    for (int byte = 0; byte < wire.scale_bytes; byte++) wire.scales.push_back(static_cast<u8>(scale >> (8 * byte)));
  }
  return wire;
}

void enter_wire(const WireRows& rows, const Scheme& scheme, Tensors& tensors) {
  Tensor codes = allocate(dtype_of(scheme.format), {rows.rows, rows.columns});
  std::memcpy(codes.lanes.data(), rows.codes.data(), rows.codes.size());
  Tensor scales = allocate(dtype_of(scheme.scale_type), {rows.rows, rows.scale_columns});
  std::memcpy(scales.lanes.data(), rows.scales.data(), rows.scales.size());
  tensors.emplace("codes", std::move(codes));
  tensors.emplace("scales", std::move(scales));
}

std::vector<int> slot_owners(const u32* topk_idx, i64 slots, i64 experts, int ranks) {
  std::vector<int> owners(static_cast<std::size_t>(slots));
  for (std::size_t i = 0; i < owners.size(); i++) owners[i] = topk_idx[i] >= 0x80000000u ? -1 : owner_of(topk_idx[i], experts, ranks);
  return owners;
}

Parts pack_tokens(const WireRows& rows, const u32* topk_idx, const std::vector<int>& owners, i64 topk, int ranks) {
  Parts parts(static_cast<std::size_t>(ranks));
  const i64 code_row = rows.columns * rows.code_bytes, scale_row = rows.scale_columns * rows.scale_bytes;
  const auto append = [](Bytes& part, const void* data, i64 count) {
    const auto* bytes = static_cast<const u8*>(data);
    part.insert(part.end(), bytes, bytes + count);
  };
  for (i64 token = 0; token < rows.rows; token++) {
    for (int rank = 0; rank < ranks; rank++) {
      std::vector<u32> experts(static_cast<std::size_t>(topk), nowhere);
      bool goes = false;
      for (i64 slot = 0; slot < topk; slot++) {
        if (owners[static_cast<std::size_t>(token * topk + slot)] != rank) continue;
        experts[static_cast<std::size_t>(slot)] = topk_idx[token * topk + slot];
        goes = true;
      }
      if (!goes) continue;
      Bytes& part = parts[static_cast<std::size_t>(rank)];
      append(part, experts.data(), topk * 4);
      append(part, rows.codes.data() + token * code_row, code_row);
      append(part, rows.scales.data() + token * scale_row, scale_row);
    }
  }
  return parts;
}

Arrivals unpack_tokens(const Parts& parts, const WireRows& shape, i64 topk, const Share& experts) {
  Arrivals arrivals;
  arrivals.rows = shape;
  arrivals.rows.rows = 0;
  arrivals.rows.codes.clear();
  arrivals.rows.scales.clear();
  const i64 code_row = shape.columns * shape.code_bytes, scale_row = shape.scale_columns * shape.scale_bytes;
  const i64 message = topk * 4 + code_row + scale_row;
  for (std::size_t source = 0; source < parts.size(); source++) {
    const Bytes& part = parts[source];
    if (static_cast<i64>(part.size()) % message != 0) {
      throw Error(ErrorKind::device, "torn-message", std::to_string(part.size()) + " bytes came, and a token has " + std::to_string(message),
                  "rank " + std::to_string(source), "run the same build on every rank");
    }
    const i64 tokens = static_cast<i64>(part.size()) / message;
    arrivals.from.push_back(tokens);
    arrivals.rows.rows += tokens;
    for (i64 token = 0; token < tokens; token++) {
      const u8* data = part.data() + token * message;
      for (i64 slot = 0; slot < topk; slot++) {
        u32 expert = 0;
        std::memcpy(&expert, data + slot * 4, 4);
        arrivals.experts.push_back(expert == nowhere ? nowhere : expert - static_cast<u32>(experts.first));
      }
      arrivals.rows.codes.insert(arrivals.rows.codes.end(), data + topk * 4, data + topk * 4 + code_row);
      arrivals.rows.scales.insert(arrivals.rows.scales.end(), data + topk * 4 + code_row, data + message);
    }
  }
  return arrivals;
}

}  // namespace fp8lab::moe

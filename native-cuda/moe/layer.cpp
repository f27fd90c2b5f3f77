#include "layer.h"

#include <chrono>
#include <cstring>

#include "../kernels/host/compute.h"
#include "../kernels/host/permute.h"
#include "../kernels/tiles.h"
#include "rows.h"

namespace fp8lab::moe {

namespace {

double now_ms() { return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

std::vector<i64> sizes_of(const Parts& parts) {
  std::vector<i64> sizes;
  for (const Bytes& part : parts) sizes.push_back(static_cast<i64>(part.size()));
  return sizes;
}

/** A scheme whose scales lie row by row. */
Scheme row_major(Scheme scheme) {
  scheme.layout = ScaleLayout::row_major;
  return scheme;
}

/** An operand of given codes and scales. */
OperandSpec quantized_by(const Scheme& scheme) { return {scheme, {}, Input(GeneratedInput{}), Input(GeneratedInput{})}; }

/** The experts of a rank at work on the rows that came to them. */
class Experts {
 public:
  Experts(const MoeLayerSpec& spec, const Share& experts, Tensors& weights, int threads)
      : spec_(spec), experts_(experts), weights_(weights), threads_(threads) {}

  /** The down projection's rows [rows, hidden], bf16, and the row of every slot of the arrivals. */
  Tensor compute(const Arrivals& arrivals, std::vector<u32>& slot_to_row) {
    Tensors moved = permute(arrivals);
    rows_ = moved.at("row_to_slot").shape[0];
    const u32* rows = moved.at("slot_to_row").lanes.as<u32>();
    slot_to_row.assign(rows, rows + arrivals.experts.size());
    const Tensor groups = groups_of_rows(moved);
    Tensor h = product(spec_.x.scheme, moved, "w13", spec_.w13, 2 * spec_.inter, spec_.hidden, groups);
    Tensors activation = activate(std::move(h), std::move(moved.at("row_to_slot")));
    return product(spec_.activation, activation, "w2", spec_.w2, spec_.hidden, spec_.inter, groups);
  }

 private:
  Tensors permute(const Arrivals& arrivals) const {
    PermuteSpec permute{};
    permute.tokens = arrivals.rows.rows;
    permute.hidden = spec_.hidden;
    permute.experts = experts_.count;
    permute.topk = spec_.slots();
    permute.alignment = spec_.alignment;
    permute.x = {true, quantized_by(row_major(spec_.x.scheme))};
    Tensors tensors;
    enter_wire(arrivals.rows, spec_.x.scheme, tensors);
    tensors.emplace("topk_idx", integer_tensor(arrivals.experts, {permute.tokens, permute.topk}));
    return host::compute(permute, tensors, threads_);
  }

  /** The expert of every row, -1 for padding. */
  Tensor groups_of_rows(const Tensors& moved) const {
    std::vector<u32> groups(static_cast<std::size_t>(rows_), nowhere);
    for (i64 expert = 0; expert < experts_.count; expert++) {
      const u32 start = moved.at("offsets").lanes.get(expert), count = moved.at("counts").lanes.get(expert);
      std::fill_n(groups.begin() + start, count, static_cast<u32>(expert));
    }
    return integer_tensor(groups, {rows_});
  }

  /** Every expert's rows of codes by its weights, bf16. Takes codes and scales out of `rows`. */
  Tensor product(const Scheme& scheme, Tensors& rows, const std::string& weight, const OperandSpec& operand, i64 n, i64 k,
                 const Tensor& groups) {
    GroupedGemmSpec product{};
    product.layout = GroupLayout::contiguous;
    product.groups = experts_.count;
    product.m = rows_;
    product.n = n;
    product.k = k;
    product.alignment = spec_.alignment;
    product.a = quantized_by(row_major(scheme));
    product.b = operand;
    product.arithmetic = spec_.arithmetic;
    product.output = FormatId::bf16;
    Tensors tensors;
    tensors.emplace("a", std::move(rows.at("codes")));
    tensors.emplace("a_scales", std::move(rows.at("scales")));
    const OperandNames theirs = operand_names(weight), ours = operand_names("b");
    for (const auto& [from, to] : {std::pair{theirs.codes, ours.codes}, std::pair{theirs.scales, ours.scales},
                                   std::pair{theirs.tensor_scale, ours.tensor_scale}}) {
      const auto found = weights_.find(from);
      if (found != weights_.end()) tensors.emplace(to, std::move(found->second));
    }
    tensors.emplace("group_layout", rows_of(groups, {0, rows_}));
    return std::move(host::compute(product, tensors, threads_).at("d"));
  }

  Tensors activate(Tensor h, Tensor row_to_slot) const {
    SwigluQuantizeSpec swiglu{};
    swiglu.rows = rows_;
    swiglu.inter = spec_.inter;
    swiglu.clamp = spec_.clamp;
    swiglu.scheme = row_major(spec_.activation);
    Tensors tensors;
    tensors.emplace("x", std::move(h));
    tensors.emplace("row_to_slot", std::move(row_to_slot));
    return host::compute(swiglu, tensors, threads_);
  }

  const MoeLayerSpec& spec_;
  Share experts_;
  Tensors& weights_;
  int threads_;
  i64 rows_ = 0;
};

/** One layer on one rank. */
class RankLayer {
 public:
  RankLayer(const MoeLayerSpec& spec, Transport& transport, int threads)
      : spec_(spec), transport_(transport), threads_(threads), ranks_(transport.size()),
        tokens_(share_of(spec.tokens, transport.rank(), ranks_)), experts_(share_of(spec.all_experts(), transport.rank(), ranks_)) {}

  LayerResult run(const Tensors& given) {
    LayerResult result;
    double start = now_ms();
    const auto lap = [&start] {
      const double before = start;
      start = now_ms();
      return start - before;
    };
    Tensors inputs = rank_inputs(spec_, given, tokens_, experts_, threads_);
    result.times.inputs = lap();
    const Tensors gate = choose(inputs);
    topk_idx_ = gate.at("topk_idx").lanes.as<u32>();
    owners_ = slot_owners(topk_idx_, tokens_.count * spec_.slots(), spec_.all_experts(), ranks_);
    result.times.gate = lap();
    const Arrivals arrivals = dispatch(inputs, result.dispatched);
    result.times.dispatch = lap();
    std::vector<u32> slot_to_row;
    Tensor rows;
    if (arrivals.rows.rows > 0) rows = Experts(spec_, experts_, inputs, threads_).compute(arrivals, slot_to_row);
    result.times.experts = lap();
    const Tensor y = combine(arrivals, rows, slot_to_row, gate.at("topk_weights").lanes.as<u32>(), result.combined);
    result.times.combine = lap();
    result.tensors = gather({{"y", &y}, {"topk_idx", &gate.at("topk_idx")}, {"topk_weights", &gate.at("topk_weights")}});
    return result;
  }

 private:
  Tensors choose(const Tensors& inputs) const {
    GateSpec gate{};
    gate.tokens = tokens_.count;
    gate.experts = spec_.experts;
    gate.gate = spec_.gate;
    gate.logits = spec_.logits;
    gate.bias = spec_.bias;
    gate.mask = spec_.mask;
    return host::compute(gate, inputs, threads_);
  }

  Arrivals dispatch(const Tensors& inputs, std::vector<i64>& bytes) {
    const host::Quantized x = host::quantized_operand("x", spec_.x, inputs, tokens_.count, spec_.hidden, threads_);
    const WireRows rows = to_wire(x, spec_.x.scheme);
    const Parts parts = pack_tokens(rows, topk_idx_, owners_, spec_.slots(), ranks_);
    bytes = sizes_of(parts);
    return unpack_tokens(transport_.exchange(parts), rows, spec_.slots(), experts_);
  }

  /** Sends every slot's row back to its token's rank, and sums there, slot by slot. */
  Tensor combine(const Arrivals& arrivals, const Tensor& rows, const std::vector<u32>& slot_to_row, const u32* weights,
                 std::vector<i64>& bytes) {
    const i64 slots = spec_.slots(), row_bytes = spec_.hidden * 2;
    Parts parts(static_cast<std::size_t>(ranks_));
    std::size_t slot = 0;
    for (std::size_t source = 0; source < parts.size(); source++) {
      for (i64 i = 0; i < arrivals.from[source] * slots; i++, slot++) {
        if (arrivals.experts[slot] == nowhere) continue;
        const u8* row = rows.lanes.data() + slot_to_row[slot] * row_bytes;
        parts[source].insert(parts[source].end(), row, row + row_bytes);
      }
    }
    bytes = sizes_of(parts);
    const Parts back = transport_.exchange(parts);
    return sum(back, weights);
  }

  /** Rows came back in the order in which their slots went out to each rank. */
  Tensor sum(const Parts& back, const u32* weights) const {
    const i64 slots = spec_.slots(), row_bytes = spec_.hidden * 2;
    std::vector<i64> first;
    i64 count = 0;
    for (const Bytes& part : back) {
      first.push_back(count);
      count += static_cast<i64>(part.size()) / row_bytes;
    }
    // A tensor has at least a row, also where no slot has an expert.
    Tensor rows = allocate(DType::BF16, {most<i64>(count, 1), spec_.hidden});
    std::memset(rows.lanes.data(), 0, static_cast<std::size_t>(rows.lanes.bytes()));
    for (std::size_t rank = 0; rank < back.size(); rank++) {
      if (!back[rank].empty()) std::memcpy(rows.lanes.data() + first[rank] * row_bytes, back[rank].data(), back[rank].size());
    }
    std::vector<u32> slot_to_row;
    for (const int owner : owners_) slot_to_row.push_back(owner < 0 ? nowhere : static_cast<u32>(first[static_cast<std::size_t>(owner)]++));
    return host::sum_slots(rows, slot_to_row.data(), weights, tokens_.count, slots, spec_.output, threads_);
  }

  /** All ranks' rows of some tensors, on rank 0. */
  Tensors gather(const std::map<std::string, const Tensor*>& own) {
    Tensors all;
    for (const auto& [name, tensor] : own) {
      Parts parts(static_cast<std::size_t>(ranks_));
      parts[0].assign(tensor->lanes.data(), tensor->lanes.data() + tensor->lanes.bytes());
      const Parts received = transport_.exchange(parts);
      if (transport_.rank() != 0) continue;
      std::vector<i64> shape = tensor->shape;
      shape[0] = spec_.tokens;
      Tensor whole = allocate_result(tensor->dtype, std::move(shape));
      u8* place = whole.lanes.data();
      for (const Bytes& part : received) {
        std::memcpy(place, part.data(), part.size());
        place += part.size();
      }
      all.emplace(name, std::move(whole));
    }
    return all;
  }

  const MoeLayerSpec& spec_;
  Transport& transport_;
  int threads_, ranks_;
  Share tokens_, experts_;
  const u32* topk_idx_ = nullptr;
  std::vector<int> owners_;
};

}  // namespace

LayerResult run_layer(const MoeLayerSpec& spec, const Tensors& given, Transport& transport, int threads) {
  return RankLayer(spec, transport, threads).run(given);
}

}  // namespace fp8lab::moe

// docs/numerics.md, "Balance".

#include "balance.h"

#include <algorithm>
#include <cstring>
#include <numeric>

#include "../../errors.h"
#include "../placement.h"
#include "../tiles.h"
#include "gate.h"
#include "kernels.h"
#include "parallel.h"

namespace fp8lab::host {

namespace {

/** fl(a / b) of whole numbers, each rounded to f32 first. */
u32 ratio(u64 a, u64 b) { return div_bits(pinned::pack(a, 0), pinned::pack(b, 0)); }

/** The largest count; `total` gets the sum. */
u32 sum_of(const u32* counts, i64 count, u64& total) {
  total = 0;
  u32 largest = 0;
  for (i64 i = 0; i < count; i++) {
    total += counts[i];
    largest = std::max(largest, counts[i]);
  }
  return largest;
}

Tensor f32_tensor(const std::vector<u32>& bits) {
  Tensor tensor = allocate_result(DType::F32, {static_cast<i64>(bits.size())});
  std::copy(bits.begin(), bits.end(), tensor.lanes.as<u32>());
  return tensor;
}

/** Choices of the loss: unbiased scores, no groups. */
GateSpec counted_gate(const BalanceLossSpec& spec) {
  GateSpec gate{};
  gate.tokens = spec.tokens;
  gate.experts = spec.experts;
  gate.gate = {spec.score, spec.topk, 1, 1, GroupScore::max, Normalize::none, one_bits, 0};
  return gate;
}

/** Adds a token's shares of its scores to `units`. */
void add_shares(std::vector<u32>& scores, std::vector<u64>& units) {
  u64 total = 0;
  for (const u32 score : scores) total += gate::softmax_units(score);
  if (total == 0) return;
  const u32 sum = gate::softmax_sum(total);
  for (std::size_t i = 0; i < scores.size(); i++) units[i] += gate::softmax_units(div_bits(scores[i], sum));
}

}  // namespace

Tensors compute(const BiasUpdateSpec& spec, const Tensors& inputs, int) {
  const u32* bias = require_f32("bias", inputs, {spec.experts});
  const u32* load = require_indices("load", inputs, {spec.experts}, i64{1} << 31);
  for (i64 i = 0; i < spec.experts; i++) {
    if (load[i] < 0x80000000u) continue;
    throw input_error("wrong-count", "load has " + std::to_string(static_cast<i32>(load[i])) + " at element " + std::to_string(i),
                      "load, element " + std::to_string(i), "give whole numbers of at least 0 as 32-bit integers");
  }
  u64 total = 0;
  sum_of(load, spec.experts, total);
  std::vector<u32> moved(static_cast<std::size_t>(spec.experts));
  for (i64 i = 0; i < spec.experts; i++) {
    const u64 own = static_cast<u64>(load[i]) * static_cast<u64>(spec.experts);
    moved[static_cast<std::size_t>(i)] = own == total ? bias[i] : add_bits(bias[i], own < total ? spec.gamma : spec.gamma ^ 0x80000000u);
  }
  Tensors tensors;
  tensors.emplace("bias", f32_tensor(moved));
  return tensors;
}

Tensors compute(const LoadStatisticsSpec& spec, const Tensors& inputs, int) {
  const i64 slots = spec.tokens * spec.topk;
  const u32* experts = require_indices("topk_idx", inputs, {spec.tokens, spec.topk}, spec.experts);
  std::vector<u32> load(static_cast<std::size_t>(spec.experts)), fraction;
  for (i64 i = 0; i < slots; i++) {
    if (experts[i] < 0x80000000u) load[experts[i]]++;
  }
  u64 total = 0;
  const u64 largest = sum_of(load.data(), spec.experts, total);
  for (const u32 count : load) fraction.push_back(ratio(static_cast<u64>(count) * static_cast<u64>(spec.experts), static_cast<u64>(slots)));
  Tensors tensors;
  tensors.emplace("load", integer_tensor(load, {spec.experts}));
  tensors.emplace("fraction", f32_tensor(fraction));
  tensors.emplace("imbalance", f32_tensor({total == 0 ? 0 : ratio(largest * static_cast<u64>(spec.experts), total)}));
  return tensors;
}

Tensors compute(const BalanceLossSpec& spec, const Tensors& inputs, int threads) {
  const GateSpec gate_spec = counted_gate(spec);
  const Tensors routed = compute(gate_spec, inputs, threads);
  const u32* gaps = routed.at("near_ties").lanes.as<u32>();
  const u32* load = routed.at("load").lanes.as<u32>();
  const RowSource source = widened(require_tensor(inputs, "logits"));
  const auto experts = static_cast<std::size_t>(spec.experts);
  const i64 tasks = std::min<i64>(spec.tokens, 4 * thread_count(threads));
  std::vector<std::vector<u64>> parts(static_cast<std::size_t>(tasks), std::vector<u64>(experts));
  parallel_for(threads, tasks, [&](i64 task) {
    std::vector<u32> logits(experts), scores(experts);
    for (i64 token = task; token < spec.tokens; token += tasks) {
      if (gate::key_of(gaps[token]) == gate::nan_key) continue;
      source(token, 0, spec.experts, logits.data());
      scores_of(spec.score, logits.data(), spec.experts, scores.data());
      add_shares(scores, parts[static_cast<std::size_t>(task)]);
    }
  });
  std::vector<u32> f(experts), p(experts);
  u32 sum = 0;
  for (std::size_t i = 0; i < experts; i++) {
    u64 units = 0;
    for (const auto& part : parts) units += part[i];
    f[i] = ratio(static_cast<u64>(load[i]) * experts, static_cast<u64>(spec.topk) * static_cast<u64>(spec.tokens));
    p[i] = div_bits(gate::softmax_sum(units), pinned::pack(static_cast<u64>(spec.tokens), 0));
    sum = canonical_bits(fma_rn(bits_float(f[i]), bits_float(p[i]), bits_float(sum)));
  }
  const bool refused = std::any_of(gaps, gaps + spec.tokens, [](u32 gap) { return gate::key_of(gap) == gate::nan_key; });
  Tensors tensors;
  tensors.emplace("loss", f32_tensor({refused ? nan_bits : mul_bits(spec.alpha, sum)}));
  tensors.emplace("f", f32_tensor(f));
  tensors.emplace("p", f32_tensor(p));
  return tensors;
}

i64 bytes_made(const BiasUpdateSpec& spec) { return 4 * spec.experts; }
i64 bytes_made(const LoadStatisticsSpec& spec) { return 8 * spec.experts; }
i64 bytes_made(const BalanceLossSpec& spec) { return bytes_made(counted_gate(spec)) + 32 * spec.experts * thread_count(0); }

}  // namespace fp8lab::host

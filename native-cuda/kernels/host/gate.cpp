// Experts and weights of every token: docs/numerics.md, "Gate".

#include "gate.h"

#include <algorithm>
#include <atomic>
#include <numeric>

#include "kernels.h"
#include "parallel.h"

namespace fp8lab::host {

SoftmaxSums softmax_sums(const u32* logits, i64 count) {
  u32 best = 0, largest = nan_bits;
  for (i64 i = 0; i < count; i++) {
    const u32 key = gate::key_of(logits[i]);
    if (key == gate::nan_key) return {nan_bits, nan_bits};
    if (key > best) best = key, largest = logits[i];
  }
  u64 units = 0;
  for (i64 i = 0; i < count; i++) {
    const u32 exponential = gate::exponential(logits[i], largest);
    if (exponential == nan_bits) return {largest, nan_bits};
    units += gate::softmax_units(exponential);
  }
  return {largest, gate::softmax_sum(units)};
}

void scores_of(Score score, const u32* logits, i64 count, u32* scores) {
  const SoftmaxSums sums = score == Score::softmax ? softmax_sums(logits, count) : SoftmaxSums{};
  for (i64 i = 0; i < count; i++) scores[i] = gate::score_of(score, logits[i], sums.largest, sums.sum);
}

namespace {

constexpr i64 tokens_a_task = 64;

/** The room one thread routes tokens in. */
class Router {
 public:
  Router(const GateSpec& spec, const std::vector<u32>& bias) : spec_(spec), rule_(spec.gate), bias_(bias) {
    for (auto* room : {&logits, &scores_, &keys_}) room->resize(static_cast<std::size_t>(spec.experts));
    order_.reserve(static_cast<std::size_t>(spec.experts));
    chosen.resize(static_cast<std::size_t>(rule_.topk));
    weights.resize(static_cast<std::size_t>(rule_.topk));
  }

  /** Routes the token in `logits`; false where a value is NaN. `replay` holds its experts where they are given. */
  bool route(const u32* replay) {
    scores_of(rule_.score, logits.data(), spec_.experts, scores_.data());
    if (replay != nullptr) {
      std::copy_n(replay, rule_.topk, chosen.data());
    } else if (!choose()) {
      return false;
    }
    weigh();
    return std::none_of(weights.begin(), weights.end(), [](u32 bits) { return gate::key_of(bits) == gate::nan_key; });
  }

  std::vector<u32> logits, chosen, weights;
  u32 gap = inf_bits, group_gap = inf_bits;

 private:
  /** Sorts the first `count` of `order` by key, the largest first, ties to the lower index. */
  static void sort_first(std::vector<u32>& order, const std::vector<u32>& keys, i64 count) {
    const auto first = std::min<std::ptrdiff_t>(count, static_cast<std::ptrdiff_t>(order.size()));
    std::partial_sort(order.begin(), order.begin() + first, order.end(),
                      [&keys](u32 a, u32 b) { return keys[a] != keys[b] ? keys[a] > keys[b] : a < b; });
  }

  bool choose() {
    for (std::size_t i = 0; i < keys_.size(); i++) {
      keys_[i] = gate::key_of(bias_.empty() ? scores_[i] : add_bits(scores_[i], bias_[i]));
      if (keys_[i] == gate::nan_key) return false;
    }
    order_.clear();
    if (spec_.limits_groups()) {
      if (!keep_groups()) return false;
    } else {
      order_.resize(keys_.size());
      std::iota(order_.begin(), order_.end(), 0u);
    }
    sort_first(order_, keys_, rule_.topk + 1);
    const auto topk = static_cast<std::size_t>(rule_.topk);
    gap = order_.size() > topk ? gate::gap_of(keys_[order_[topk - 1]], keys_[order_[topk]]) : inf_bits;
    std::copy_n(order_.begin(), rule_.topk, chosen.begin());
    return true;
  }

  /** Fills `order_` with the experts of the groups that are kept. */
  bool keep_groups() {
    const auto size = static_cast<u32>(spec_.experts / rule_.groups);
    std::vector<u32> group_keys, groups;
    for (u32 group = 0; group < rule_.groups; group++) {
      u32 first = 0, second = 0;
      for (u32 expert = group * size; expert < (group + 1) * size; expert++) {
        second = std::max(second, std::min(first, keys_[expert]));
        first = std::max(first, keys_[expert]);
      }
      group_keys.push_back(gate::group_key(rule_.group_score, first, second));
      if (group_keys.back() == gate::nan_key) return false;
      groups.push_back(group);
    }
    sort_first(groups, group_keys, rule_.topk_groups + 1);
    const auto kept = static_cast<std::size_t>(rule_.topk_groups);
    group_gap = gate::gap_of(group_keys[groups[kept - 1]], group_keys[groups[kept]]);
    for (std::size_t i = 0; i < kept; i++) {
      for (u32 expert = groups[i] * size; expert < (groups[i] + 1) * size; expert++) order_.push_back(expert);
    }
    return true;
  }

  void weigh() {
    std::vector<u32> shares(chosen.size(), 0);
    u32 divisor = one_bits;
    if (rule_.normalize == Normalize::softmax) {
      std::vector<u32> some;
      for (const u32 expert : chosen) {
        if (expert != gate::no_expert) some.push_back(logits[expert]);
      }
      const SoftmaxSums sums = softmax_sums(some.data(), static_cast<i64>(some.size()));
      divisor = sums.sum;
      for (std::size_t i = 0; i < chosen.size(); i++) {
        if (chosen[i] != gate::no_expert) shares[i] = gate::exponential(logits[chosen[i]], sums.largest);
      }
    } else {
      u32 sum = gate::sum_start;
      for (std::size_t i = 0; i < chosen.size(); i++) {
        if (chosen[i] == gate::no_expert) continue;
        shares[i] = scores_[chosen[i]];
        sum = add_bits(sum, shares[i]);
      }
      if (rule_.normalize == Normalize::sum) divisor = sum;
    }
    for (std::size_t i = 0; i < chosen.size(); i++) {
      weights[i] = chosen[i] == gate::no_expert ? 0 : mul_bits(div_bits(shares[i], divisor), rule_.route_scale);
    }
  }

  const GateSpec& spec_;
  const GateRule& rule_;
  const std::vector<u32>& bias_;
  std::vector<u32> scores_, keys_, order_;
};

}  // namespace

Tensors compute(const GateSpec& spec, const Tensors& inputs, int threads) {
  const GateInputs given = gate_inputs(spec, inputs);
  const RowSource source = widened(*given.logits);
  std::vector<u32> bias;
  if (given.bias != nullptr) {
    bias.resize(static_cast<std::size_t>(spec.experts));
    widened(*given.bias)(0, 0, spec.experts, bias.data());
  }
  Tensors results = gate_results(spec);
  u32* experts = results.at("topk_idx").lanes.as<u32>();
  u32* weights = results.at("topk_weights").lanes.as<u32>();
  u32* load = results.at("load").lanes.as<u32>();
  u32* gaps = spec.indices ? nullptr : results.at("near_ties").lanes.as<u32>();
  u32* group_gaps = spec.limits_groups() ? results.at("group_gaps").lanes.as<u32>() : nullptr;
  const i64 slots = spec.slots(), topk = spec.gate.topk;
  const u32* replay = given.indices == nullptr ? nullptr : given.indices->lanes.as<u32>();
  const auto route = [&](Router& router, i64 token) {
    const bool masked = given.mask != nullptr && given.mask->lanes.as<u32>()[token] == 0;
    if (!masked) source(token, 0, spec.experts, router.logits.data());
    const bool routed = !masked && router.route(replay == nullptr ? nullptr : replay + token * topk);
    for (i64 slot = 0; slot < slots; slot++) {
      const i64 at = token * slots + slot;
      const auto i = static_cast<std::size_t>(slot);
      const bool shared = slot >= topk;
      experts[at] = !routed ? gate::no_expert : shared ? static_cast<u32>(spec.experts + slot - topk) : router.chosen[i];
      weights[at] = !routed ? 0 : shared ? one_bits : router.weights[i];
      if (routed && !shared && experts[at] != gate::no_expert) std::atomic_ref<u32>(load[experts[at]]).fetch_add(1, std::memory_order_relaxed);
    }
    const u32 nowhere = masked ? inf_bits : nan_bits;
    if (gaps != nullptr) gaps[token] = routed ? router.gap : nowhere;
    if (group_gaps != nullptr) group_gaps[token] = routed ? router.group_gap : nowhere;
  };
  parallel_for(threads, (spec.tokens + tokens_a_task - 1) / tokens_a_task, [&](i64 task) {
    Router router(spec, bias);
    for (i64 token = task * tokens_a_task; token < std::min((task + 1) * tokens_a_task, spec.tokens); token++) route(router, token);
  });
  return results;
}

i64 bytes_made(const GateSpec& spec) { return 4 * (spec.tokens * (2 * spec.slots() + 2) + spec.experts); }

}  // namespace fp8lab::host

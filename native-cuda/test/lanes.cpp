// The vector kernels of every instruction set against the functions of numerics/, one value at a time.

#include "../kernels/host/lanes.h"

#include <cstring>
#include <vector>

#include "../kernels/host/parallel.h"
#include "../numerics/philox.h"
#include "../numerics/tensor_core.h"
#include "check.h"
#include "models.h"

namespace fp8lab::test {

namespace {

using host::group;
using host::LaneOps;

std::vector<const LaneOps*> all_sets() {
  const LaneOps* sets[4];
  const int count = host::lane_op_sets(sets);
  return {sets, sets + count};
}

/** Random bit patterns with the hard ones among them: specials, zeros, subnormals, and values near the codes' boundaries. */
std::vector<u32> patterns(std::size_t count, u64 seed) {
  Random random(seed);
  std::vector<u32> bits(count);
  for (std::size_t i = 0; i < count; i++) {
    const u32 word = random.word();
    const u32 near = ((word % 80 + 90) << 23) | (random.word() & 0x00780000u) | (random.word() % 3 == 0 ? random.word() % 3 : 0x40000u);
    const u32 choices[4] = {word, near | (word & 0x80000000u), word & 0x80ffffffu, (word & 0x80000000u) | (i % 2 == 0 ? inf_bits : 0)};
    bits[i] = choices[random.word() % 8 < 7 ? random.word() % 3 : 3];
  }
  return bits;
}

constexpr FormatId fast_ids[] = {FormatId::e4m3, FormatId::e5m2, FormatId::e2m1, FormatId::e2m3, FormatId::e3m2};

FP8LAB_TEST("lanes", "the fast encoder gives the codes of the encoder that knows every rule") {
  const std::vector<u32> bits = patterns(100003, 3);
  for (const LaneOps* ops : all_sets()) {
    for (const FormatId id : fast_ids) {
      const Format format = format_of(id);
      for (const Overflow overflow : {Overflow::saturate, Overflow::ieee}) {
        host::FastFormat fast;
        check(host::fast_format(format, Rounding::nearest_even, overflow, fast), "not a fast format");
        for (const auto& [factor, divide] : {std::pair{1.0f, false}, std::pair{0.37f, false}, std::pair{0.37f, true},
                                             std::pair{0x1p-127f, false}, std::pair{0x1p127f, false}}) {
          std::vector<u8> codes(bits.size());
          ops->encode_8(bits.data(), codes.data(), static_cast<i64>(bits.size()), fast, factor, divide);
          for (std::size_t i = 0; i < bits.size(); i++) {
            const Factor step = divide ? divide_by(float_bits(factor)) : multiply_by(float_bits(factor));
            const u32 expected = quantize_bits(bits[i], step, format, Rounding::nearest_even, overflow);
            if (codes[i] != expected)
              check_equal(static_cast<u32>(codes[i]), expected,
                          std::string(ops->name) + " " + format_names[static_cast<int>(id)] + " of " + std::to_string(bits[i]));
          }
        }
      }
    }
  }
}

FP8LAB_TEST("lanes", "a power of two applied in f32 gives the code of the exact product") {
  const std::vector<u32> bits = patterns(20011, 4);
  const Format format = format_of(FormatId::e5m2);
  host::FastFormat fast;
  host::fast_format(format, Rounding::nearest_even, Overflow::ieee, fast);
  for (const LaneOps* ops : all_sets()) {
    for (int exponent = -127; exponent <= 127; exponent++) {
      std::vector<u8> codes(bits.size());
      ops->encode_8(bits.data(), codes.data(), static_cast<i64>(bits.size()), fast, static_cast<float>(__builtin_ldexp(1.0, exponent)),
                    false);
      for (std::size_t i = 0; i < bits.size(); i++) {
        const u32 expected = encode_scaled(bits[i], exponent, format, Rounding::nearest_even, Overflow::ieee);
        if (codes[i] != expected)
          check_equal(static_cast<u32>(codes[i]), expected, std::string(ops->name) + " 2^" + std::to_string(exponent));
      }
    }
  }
}

FP8LAB_TEST("lanes", "16-bit codes widen and narrow as the codec has them") {
  const std::vector<u32> bits = patterns(100003, 5);
  std::vector<u16> all(1 << 16), codes(bits.size());
  std::vector<u32> wide(1 << 16);
  for (u32 code = 0; code < all.size(); code++) all[code] = static_cast<u16>(code);
  for (const LaneOps* ops : all_sets()) {
    for (const FormatId id : {FormatId::bf16, FormatId::f16}) {
      (id == FormatId::bf16 ? ops->widen_bf16 : ops->widen_f16)(all.data(), wide.data(), static_cast<i64>(all.size()));
      for (u32 code = 0; code < all.size(); code++)
        check_equal(wide[code], decode(code, format_of(id)), std::string(ops->name) + " code " + std::to_string(code));
    }
    ops->narrow_bf16(bits.data(), codes.data(), static_cast<i64>(bits.size()));
    for (std::size_t i = 0; i < bits.size(); i++) {
      check_equal(static_cast<u32>(codes[i]), encode(bits[i], format_of(FormatId::bf16), Rounding::nearest_even, Overflow::ieee),
                  std::string(ops->name) + " narrow");
    }
    host::FastFormat fast;
    host::fast_format(format_of(FormatId::f16), Rounding::nearest_even, Overflow::ieee, fast);
    ops->encode_16(bits.data(), codes.data(), static_cast<i64>(bits.size()), fast, 1.0f, false);
    for (std::size_t i = 0; i < bits.size(); i++) {
      check_equal(static_cast<u32>(codes[i]), encode(bits[i], format_of(FormatId::f16), Rounding::nearest_even, Overflow::ieee),
                  std::string(ops->name) + " f16");
    }
  }
}

FP8LAB_TEST("lanes", "every instruction set draws the same Philox words, at any count") {
  for (const LaneOps* ops : all_sets()) {
    for (const i64 blocks : {1, 2, 7, 8, 9, 33}) {
      std::vector<u32> words(static_cast<std::size_t>(4 * blocks + 1), 0xdeadbeefu);
      ops->philox(0x12345678u, 0xfffffff0u, stream_normal3, words.data(), blocks);
      for (i64 i = 0; i < 4 * blocks; i++) {
        const u32 counter = 0xfffffff0u + static_cast<u32>(i / 4);
        check_equal(words[static_cast<std::size_t>(i)], philox_block(0x12345678u, counter, stream_normal3).words[i % 4],
                    std::string(ops->name) + " word " + std::to_string(i));
      }
      check_equal(words.back(), 0xdeadbeefu, "the word behind the last");
    }
  }
}

/** Packed random operands of an aligned block, and the codes they came from. */
struct Block {
  FormatId format;
  Model model;
  i64 rows;
  i64 count;
  std::vector<u8> a, b;
  std::vector<float> a_values, b_values;
  std::vector<std::int16_t> a_exponents, b_exponents;
  i64 steps = 0;
  i64 terms = 0;
};

Block random_block(FormatId id, const Model& model, i64 rows, i64 count, u64 seed) {
  Block block{id, model, rows, count, {}, {}, {}, {}, {}, {}};
  const Format format = format_of(id);
  Random random(seed);
  const auto draw = [&] {
    // Clustered exponents make truncation matter; a quarter zeros and subnormals.
    for (;;) {
      const u32 word = random.word();
      const u32 code = word % 4 == 0 ? (word >> 8) & ((1u << format.mantissa_bits) - 1) : (word >> 8) & ((1u << format.bits) - 1);
      if (!is_nan_code(code, format) && !is_inf_code(code, format)) return static_cast<u8>(code);
    }
  };
  for (i64 i = 0; i < rows * count; i++) block.a.push_back(draw());
  for (i64 i = 0; i < group * count; i++) block.b.push_back(draw());
  std::vector<i64> order;
  block.terms = least(model.terms, count);
  block.terms += block.terms % 2;
  for (i64 step = 0; step < step_count(model, count); step++) {
    const i64 size = step_size(model, count, step);
    block.steps += size > 0;
    for (i64 i = 0; size > 0 && i < block.terms; i++) order.push_back(i < size ? step_index(model, step, i) : -1);
  }
  const auto places = static_cast<i64>(order.size());
  const auto exponent = [&](u8 code) {
    const Operand operand = decode_operand(code, format);
    return operand.significand == 0 ? host::zero_exponent : static_cast<std::int16_t>(operand.exponent);
  };
  block.b_values.resize(static_cast<std::size_t>(places * group));
  block.b_exponents.resize(block.b_values.size(), host::zero_exponent);
  for (i64 r = 0; r < rows; r++) {
    for (const i64 k : order) {
      const u8 code = k < 0 ? 0 : block.a[static_cast<std::size_t>(r * count + k)];
      block.a_values.push_back(bits_float(decode(code, format)));
      block.a_exponents.push_back(exponent(code));
    }
  }
  for (i64 i = 0; i < places; i++) {
    for (i64 column = 0; column < group; column++) {
      const i64 k = order[static_cast<std::size_t>(i)];
      const u8 code = k < 0 ? 0 : block.b[static_cast<std::size_t>(column * count + k)];
      block.b_values[static_cast<std::size_t>(i * group + column)] = bits_float(decode(code, format));
      block.b_exponents[static_cast<std::size_t>((i / 2 * group + column) * 2 + i % 2)] = exponent(code);
    }
  }
  return block;
}

FP8LAB_TEST("lanes", "vector sums of an aligned model are the model's, for every width, order and rounding") {
  u64 seed = 10;
  for (const FormatId id : {FormatId::e4m3, FormatId::e5m2, FormatId::e2m1, FormatId::e3m2}) {
    for (const int fraction_bits : {5, 13, 14, 22, 25, 28}) {
      for (const auto& [terms, count] : {std::pair<i64, i64>{32, 128}, {16, 128}, {4, 33}, {5, 31}, {64, 100}}) {
        for (const StepOutput output : {StepOutput::e8m13, StepOutput::f32_rz, StepOutput::f32_rne, StepOutput::f16_rne}) {
          const TermOrder order = seed % 3 == 0 ? TermOrder::p4 : TermOrder::linear;
          const Model model{ModelKind::aligned, fraction_bits, terms, output, order};
          const Block block = random_block(id, model, 5, count, seed++);
          const Format format = format_of(id);
          const auto places = static_cast<i64>(block.a_values.size()) / block.rows;
          for (const LaneOps* ops : all_sets()) {
            std::vector<float> partial(static_cast<std::size_t>(block.rows * group));
            ops->aligned({block.a_values.data(), block.a_exponents.data(), places, block.rows, block.b_values.data(),
                          block.b_exponents.data(), block.steps, block.terms, fraction_bits, output, i64{1} << (29 - fraction_bits),
                          partial.data()});
            for (i64 r = 0; r < block.rows; r++) {
              for (i64 column = 0; column < group; column++) {
                const u32 expected = block_sum(model, format, format, count, block.a.data() + r * count, block.b.data() + column * count);
                const u32 actual = float_bits(partial[static_cast<std::size_t>(r * group + column)]);
                if (actual != expected)
                  check_equal(actual, expected,
                              std::string(ops->name) + " F=" + std::to_string(fraction_bits) + " L=" + std::to_string(terms));
              }
            }
          }
        }
      }
    }
  }
}

FP8LAB_TEST("lanes", "a model with one fraction bit more or less, or another step, gives other sums") {
  const Block block = random_block(FormatId::e4m3, hopper, 16, 128, 99);
  const Format format = format_of(FormatId::e4m3);
  const auto differing = [&](const Model& other) {
    int count = 0;
    for (i64 r = 0; r < block.rows; r++) {
      for (i64 column = 0; column < group; column++) {
        const u8* a = block.a.data() + r * block.count;
        const u8* b = block.b.data() + column * block.count;
        count += block_sum(hopper, format, format, block.count, a, b) != block_sum(other, format, format, block.count, a, b);
      }
    }
    return count;
  };
  check_equal(differing(hopper), 0, "the same model");
  check(differing({ModelKind::aligned, 12, 32, StepOutput::e8m13, TermOrder::linear}) > 0, "F = 12 went unnoticed");
  check(differing({ModelKind::aligned, 14, 32, StepOutput::e8m13, TermOrder::linear}) > 0, "F = 14 went unnoticed");
  check(differing({ModelKind::aligned, 13, 16, StepOutput::e8m13, TermOrder::linear}) > 0, "L = 16 went unnoticed");
  check(differing({ModelKind::aligned, 13, 32, StepOutput::f32_rz, TermOrder::linear}) > 0, "another output went unnoticed");
  check(differing({ModelKind::aligned, 13, 32, StepOutput::e8m13, TermOrder::p4}) > 0, "another order went unnoticed");
}

FP8LAB_TEST("lanes", "exact and sequential sums are the models', for every instruction set") {
  for (const ModelKind kind : {ModelKind::exact, ModelKind::sequential}) {
    const Model model{kind, 0, 0, StepOutput::f32_rne, TermOrder::linear};
    const Block block = random_block(FormatId::e4m3, {ModelKind::aligned, 13, 1000, StepOutput::e8m13, TermOrder::linear}, 5, 130, 7);
    const Format format = format_of(FormatId::e4m3);
    for (const LaneOps* ops : all_sets()) {
      std::vector<float> partial(static_cast<std::size_t>(block.rows * group));
      (kind == ModelKind::exact ? ops->exact : ops->sequential)(
          {block.a_values.data(), block.count, block.rows, block.b_values.data(), block.count, partial.data()});
      for (i64 r = 0; r < block.rows; r++) {
        for (i64 column = 0; column < group; column++) {
          const u32 expected =
              block_sum(model, format, format, block.count, block.a.data() + r * block.count, block.b.data() + column * block.count);
          check_equal(float_bits(partial[static_cast<std::size_t>(r * group + column)]), expected,
                      std::string(ops->name) + (kind == ModelKind::exact ? " exact" : " sequential"));
        }
      }
    }
  }
}

FP8LAB_TEST("lanes", "a loop over cores visits every index once and passes on what a body throws") {
  std::vector<int> visits(1000);
  host::parallel_for(3, 1000, [&](i64 i) { visits[static_cast<std::size_t>(i)]++; });
  for (const int count : visits) check_equal(count, 1, "visits");
  const std::string code = error_code([] {
    host::parallel_for(3, 100, [](i64 i) {
      if (i == 50) throw input_error("told", "", "", "");
    });
  });
  check_equal(code, std::string("told"), "error");
}

}  // namespace

}  // namespace fp8lab::test

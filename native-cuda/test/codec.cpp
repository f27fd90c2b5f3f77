#include "../numerics/codec.h"

#include <cmath>

#include "../numerics/philox.h"
#include "../numerics/tensor_core.h"
#include "check.h"

namespace fp8lab::test {

namespace {

constexpr FormatId encodable[] = {FormatId::e4m3, FormatId::e5m2, FormatId::e8m0, FormatId::e2m1, FormatId::e2m3,
                                  FormatId::e3m2, FormatId::e5m6, FormatId::bf16, FormatId::f16};

std::string at(FormatId format, u32 code) { return std::string(format_names[static_cast<int>(format)]) + " " + std::to_string(code); }

/** Positive finite codes of a format. */
u32 first_code(const Format& format) { return format.specials == Specials::scale ? 0 : 1; }

FP8LAB_TEST("codec", "every code but a second NaN encodes back to itself") {
  for (const FormatId id : encodable) {
    const Format format = format_of(id);
    const Overflow overflow = format.specials == Specials::finite ? Overflow::saturate : Overflow::ieee;
    for (u32 code = 0; code < 1u << format.bits; code++) {
      const u32 expected = is_nan_code(code, format) ? static_cast<u32>(format.nan_code) : code;
      check_equal(encode(decode(code, format), format, Rounding::nearest_even, overflow), expected, at(id, code));
    }
  }
}

FP8LAB_TEST("codec", "the midpoint of two codes goes to the even one, its neighbours to the nearer") {
  for (const FormatId id : encodable) {
    const Format format = format_of(id);
    for (u32 code = first_code(format) - (format.specials == Specials::scale ? 0 : 1); code < format.max_code; code++) {
      const double low = bits_float(decode(code, format)), high = bits_float(decode(code + 1, format));
      const double middle = (low + high) / 2;
      const auto nearest = [&](float x) { return encode(float_bits(x), format, Rounding::nearest_even, Overflow::saturate); };
      if (static_cast<double>(static_cast<float>(middle)) != middle) continue;
      const float exact = static_cast<float>(middle);
      check_equal(nearest(exact), (code & 1) == 0 ? code : code + 1, at(id, code) + " middle");
      check_equal(nearest(std::nextafter(exact, 0.0f)), code, at(id, code) + " below the middle");
      check_equal(nearest(std::nextafter(exact, INFINITY)), code + 1, at(id, code) + " above the middle");
    }
  }
}

FP8LAB_TEST("codec", "directed roundings bracket a value, and to-odd takes the odd of the two") {
  Random random(1);
  for (const FormatId id : encodable) {
    const Format format = format_of(id);
    if (format.specials == Specials::scale) continue;
    for (int i = 0; i < 20000; i++) {
      const u32 bits = random.word();
      if ((bits & magnitude_mask) >= format.max_bits) continue;
      const auto code = [&](Rounding rounding) { return encode(bits, format, rounding, Overflow::saturate); };
      const float x = bits_float(bits);
      const float down = bits_float(decode(code(Rounding::toward_negative), format));
      const float up = bits_float(decode(code(Rounding::toward_positive), format));
      check(down <= x && x <= up, at(id, bits) + " is not between its neighbours");
      const u32 odd = code(Rounding::to_odd);
      check(down == up || (odd & 1) == 1, at(id, bits) + " to odd");
      const u32 inward = code(Rounding::toward_zero);
      check_equal(inward, code((bits >> 31) == 1 ? Rounding::toward_positive : Rounding::toward_negative), at(id, bits) + " toward zero");
    }
  }
}

FP8LAB_TEST("codec", "scaling by a power of two is exact where a float would underflow or overflow") {
  const Format format = format_of(FormatId::bf16);
  for (int exponent = -300; exponent <= 300; exponent += 7) {
    for (const u32 bits : {0x3fc10000u, 0x00012345u, 0x7f000001u}) {
      const double exact = std::ldexp(static_cast<double>(bits_float(bits)), exponent);
      const float rounded = static_cast<float>(exact);
      // Values that f32 holds whole take the plain way.
      if (static_cast<double>(rounded) != exact || std::isinf(rounded)) continue;
      check_equal(encode_scaled(bits, exponent, format, Rounding::nearest_even, Overflow::ieee),
                  encode(float_bits(rounded), format, Rounding::nearest_even, Overflow::ieee),
                  at(FormatId::bf16, bits) + " * 2^" + std::to_string(exponent));
    }
  }
  check_equal(encode_scaled(0x7f000000u, -260, format, Rounding::toward_positive, Overflow::saturate), 1u,
              "2^127 * 2^-260, toward positive");
  check_equal(encode_scaled(0x00000001u, 149, format, Rounding::nearest_even, Overflow::saturate), 0x3f80u, "2^-149 * 2^149");
}

FP8LAB_TEST("codec", "e4m3 ties 464 down to 448 and overflows above it, by either rule") {
  const Format format = format_of(FormatId::e4m3);
  const auto code = [&](float x, Overflow overflow) { return encode(float_bits(x), format, Rounding::nearest_even, overflow); };
  check_equal(code(464.0f, Overflow::ieee), 0x7eu, "464");
  check_equal(code(464.1f, Overflow::ieee), 0x7fu, "464.1");
  check_equal(code(-464.1f, Overflow::ieee), 0xffu, "-464.1");
  check_equal(code(464.1f, Overflow::saturate), 0x7eu, "464.1 saturating");
  check_equal(encode(0xffc00000u, format, Rounding::nearest_even, Overflow::saturate), 0x7fu, "-NaN");
  check_equal(code(-0.0f, Overflow::saturate), 0x80u, "-0");
}

FP8LAB_TEST("codec", "Philox gives the known answers of its authors") {
  const auto words = [](const PhiloxBlock& block) {
    char text[40];
    std::snprintf(text, sizeof text, "%08x %08x %08x %08x", block.words[0], block.words[1], block.words[2], block.words[3]);
    return std::string(text);
  };
  const u32 ones = 0xffffffffu;
  check_equal(words(philox4x32(0, 0, 0, 0, 0, 0)), std::string("6627e8d5 e169c58d bc57ac4c 9b00dbd8"), "zeros");
  check_equal(words(philox4x32(ones, ones, ones, ones, ones, ones)), std::string("408f276d 41c83b0e a20bc7c6 6d5451fd"), "ones");
  check_equal(words(philox4x32(0xa4093822u, 0x299f31d0u, 0x243f6a88u, 0x85a308d3u, 0x13198a2eu, 0x03707344u)),
              std::string("d16cfe09 94fdcceb 5001e420 24126ea1"), "pi");
}

FP8LAB_TEST("codec", "a sum rounds to f32 as the double that holds it does") {
  Random random(2);
  for (int i = 0; i < 200000; i++) {
    const i64 sum = static_cast<i32>(random.word()) * (i64{1} << (random.word() % 21));
    const int exponent = static_cast<int>(random.word() % 300) - 200;
    const double value = std::ldexp(static_cast<double>(sum), exponent);
    check_equal(round_step(sum, exponent, StepOutput::f32_rne), float_bits(static_cast<float>(value) + 0.0f),
                std::to_string(sum) + " * 2^" + std::to_string(exponent));
  }
}

FP8LAB_TEST("codec", "an exact sum forgets nothing of what cancels") {
  const Format format = format_of(FormatId::bf16);
  const int own = 2 * format.mantissa_bits;
  const auto term = [&](float a, float b) {
    const auto operand = [&](float x) {
      return decode_operand(encode(float_bits(x), format, Rounding::nearest_even, Overflow::ieee), format);
    };
    return product(operand(a), operand(b));
  };
  ExactSum sum;
  add_exact(sum, term(0x1p127f, 0x1p127f), own);
  add_exact(sum, term(0x1p-133f, 0x1p-10f), own);
  add_exact(sum, term(-0x1p127f, 0x1p127f), own);
  check_equal(round_exact(sum), float_bits(0x1p-143f), "2^254 + 2^-143 - 2^254");
  add_exact(sum, term(-0x1p-133f, 0x1p-10f), own);
  check_equal(round_exact(sum), 0u, "and back to zero");
  add_exact(sum, term(-1.0f, 1.0f), own);
  add_exact(sum, term(-0x1p-133f, 0x1p-133f), own);
  check_equal(round_exact(sum), float_bits(-1.0f), "-1 - 2^-266");
  add_exact(sum, term(-0x1p-24f, 1.0f), own);
  check_equal(round_exact(sum), float_bits(-1.00000012f), "a tie that the last term breaks");
}

}  // namespace

}  // namespace fp8lab::test

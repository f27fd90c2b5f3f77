// The inner loops, included by one file for each instruction set, with FP8LAB_LANES its namespace and FP8LAB_VECTOR_BYTES its register
// width. Plain loops are left to the compiler's vectorizer; the tensor-core sum uses vector types. Nothing with external linkage may be
// called from here but what the namespace holds: a copy compiled for a wider set must not be linked into a narrower one.

#if defined(__SSE2__)
#include <immintrin.h>
#endif

#include "../../numerics/tensor_core.h"
#include "lanes.h"

namespace fp8lab::host::FP8LAB_LANES {

namespace {

// ---- conversions ----

void widen_bf16(const u16* codes, u32* bits, i64 n) {
  for (i64 i = 0; i < n; i++) {
    const u32 word = static_cast<u32>(codes[i]) << 16;
    bits[i] = (word & magnitude_mask) > inf_bits ? nan_bits : word;
  }
}

void widen_f16(const u16* codes, u32* bits, i64 n) {
  constexpr float rebias = 0x1p112f;
  for (i64 i = 0; i < n; i++) {
    const u32 code = codes[i];
    const u32 magnitude = (code & 0x7fffu) << 13;
    const u32 sign = (code & 0x8000u) << 16;
    const u32 finite = float_bits(bits_float(magnitude) * rebias) | sign;
    const u32 special = magnitude > 0x0f800000u ? nan_bits : (inf_bits | sign);
    bits[i] = magnitude >= 0x0f800000u ? special : finite;
  }
}

u32 amax(const u32* bits, i64 n) {
  u32 result = 0;
  for (i64 i = 0; i < n; i++) {
    const u32 magnitude = bits[i] & magnitude_mask;
    result = magnitude > result ? magnitude : result;
  }
  return result;
}

void amax_each(const u32* bits, u32* amax, i64 n) {
  for (i64 i = 0; i < n; i++) {
    const u32 magnitude = bits[i] & magnitude_mask;
    amax[i] = magnitude > amax[i] ? magnitude : amax[i];
  }
}

/** The code of a float: nearest even. Normals round in their bits; subnormals by an addition whose last bit weighs the least code. */
FP8LAB_HD u32 fast_code(float value, const FastFormat& format) {
  const u32 bits = float_bits(value);
  const u32 magnitude = bits & magnitude_mask;
  const int cut = 23 - format.mantissa_bits;
  const u32 half = (1u << (cut - 1)) - 1;
  const u32 normal = ((magnitude + half + ((magnitude >> cut) & 1)) >> cut) - format.bias_codes;
  const u32 subnormal = float_bits(bits_float(magnitude) + bits_float(format.magic_bits)) - format.magic_bits;
  u32 code = magnitude >= format.min_normal_bits ? normal : subnormal;
  code = code > format.max_code ? format.overflow_code : code;
  code |= (bits & 0x80000000u) >> format.sign_shift;
  return magnitude > inf_bits ? format.nan_code : code;
}

template <class Code, bool divide>
void encode_uniform(const u32* bits, Code* codes, i64 n, const FastFormat& given, float factor) {
  const FastFormat format = given;
  for (i64 i = 0; i < n; i++) {
    const float x = bits_float(bits[i]);
    codes[i] = static_cast<Code>(fast_code(divide ? x / factor : x * factor, format));
  }
}

void encode_8(const u32* bits, u8* codes, i64 n, const FastFormat& format, float factor, bool divide) {
  divide ? encode_uniform<u8, true>(bits, codes, n, format, factor) : encode_uniform<u8, false>(bits, codes, n, format, factor);
}

void encode_16(const u32* bits, u16* codes, i64 n, const FastFormat& format, float factor, bool divide) {
  divide ? encode_uniform<u16, true>(bits, codes, n, format, factor) : encode_uniform<u16, false>(bits, codes, n, format, factor);
}

void encode_each_8(const u32* bits, u8* codes, i64 n, const FastFormat& given, const float* factors, bool divide) {
  const FastFormat format = given;
  if (divide) {
    for (i64 i = 0; i < n; i++) codes[i] = static_cast<u8>(fast_code(bits_float(bits[i]) / factors[i], format));
  } else {
    for (i64 i = 0; i < n; i++) codes[i] = static_cast<u8>(fast_code(bits_float(bits[i]) * factors[i], format));
  }
}

void scale_8(const u8* codes, const float* table, float factor, u32* bits, i64 n) {
  for (i64 i = 0; i < n; i++) bits[i] = canonical_bits(table[codes[i]] * factor);
}

void narrow_bf16(const u32* bits, u16* codes, i64 n) {
  for (i64 i = 0; i < n; i++) {
    const u32 word = bits[i];
    const u32 rounded = (word + 0x7fffu + ((word >> 16) & 1)) >> 16;
    codes[i] = static_cast<u16>((word & magnitude_mask) > inf_bits ? 0x7fffu : rounded);
  }
}

// ---- Philox, one block a 64-bit lane ----

typedef u64 Longs __attribute__((vector_size(FP8LAB_VECTOR_BYTES)));

constexpr int long_lanes = FP8LAB_VECTOR_BYTES / 8;

/** Products of the lanes' low halves with a 32-bit number. */
[[gnu::always_inline]] inline Longs multiply_low(Longs x, u32 by) {
#if defined(__AVX512F__)
  return reinterpret_cast<Longs>(_mm512_mul_epu32(reinterpret_cast<__m512i>(x), _mm512_set1_epi64(by)));
#elif defined(__AVX2__)
  return reinterpret_cast<Longs>(_mm256_mul_epu32(reinterpret_cast<__m256i>(x), _mm256_set1_epi64x(by)));
#elif defined(__SSE2__)
  return reinterpret_cast<Longs>(_mm_mul_epu32(reinterpret_cast<__m128i>(x), _mm_set1_epi64x(by)));
#else
  return (x & 0xffffffffu) * static_cast<u64>(by);
#endif
}

/** Blocks of `long_lanes` counters from `counter` on. Only the low halves of the lanes count; what stands above them is left there. */
[[gnu::always_inline]] inline void philox_vector(u32 seed, u32 counter, u32 stream, Longs words[4]) {
  Longs c0, c1{}, c2 = Longs{} + stream, c3{};
  for (int i = 0; i < long_lanes; i++) c0[i] = counter + static_cast<u32>(i);
  u32 key0 = seed, key1 = 0;
  for (int round = 0; round < 10; round++) {
    const Longs product0 = multiply_low(c0, 0xd2511f53u);
    const Longs product1 = multiply_low(c2, 0xcd9e8d57u);
    c0 = (product1 >> 32) ^ c1 ^ key0;
    c1 = product1;
    c2 = (product0 >> 32) ^ c3 ^ key1;
    c3 = product0;
    key0 += 0x9e3779b9u;
    key1 += 0xbb67ae85u;
  }
  words[0] = c0, words[1] = c1, words[2] = c2, words[3] = c3;
}

void philox(u32 seed, u32 counter, u32 stream, u32* words, i64 blocks) {
  for (i64 done = 0; done < blocks; done += long_lanes) {
    Longs chunk[4];
    philox_vector(seed, counter + static_cast<u32>(done), stream, chunk);
    const int some = static_cast<int>(least<i64>(long_lanes, blocks - done));
    for (int i = 0; i < some; i++) {
      for (int lane = 0; lane < 4; lane++) words[4 * (done + i) + lane] = static_cast<u32>(chunk[lane][i]);
    }
  }
}

// ---- products ----

constexpr int width = FP8LAB_VECTOR_BYTES / 4;
constexpr int parts = group / width;

typedef float Floats __attribute__((vector_size(FP8LAB_VECTOR_BYTES)));
typedef i32 Ints __attribute__((vector_size(FP8LAB_VECTOR_BYTES)));
typedef std::int16_t Shorts __attribute__((vector_size(FP8LAB_VECTOR_BYTES)));
typedef float LooseFloats __attribute__((vector_size(FP8LAB_VECTOR_BYTES), aligned(4), may_alias));
typedef std::int16_t LooseShorts __attribute__((vector_size(FP8LAB_VECTOR_BYTES), aligned(2), may_alias));

[[gnu::always_inline]] inline Floats load(const float* from) { return *reinterpret_cast<const LooseFloats*>(from); }

[[gnu::always_inline]] inline Shorts load(const std::int16_t* from) { return *reinterpret_cast<const LooseShorts*>(from); }

[[gnu::always_inline]] inline void store(float* to, Floats x) { *reinterpret_cast<LooseFloats*>(to) = x; }

[[gnu::always_inline]] inline Ints as_ints(Floats x) { return reinterpret_cast<Ints>(x); }

[[gnu::always_inline]] inline Floats as_floats(Ints x) { return reinterpret_cast<Floats>(x); }

template <class Vector>
[[gnu::always_inline]] inline Vector larger(Vector a, Vector b) {
  return a > b ? a : b;
}

/** Truncated toward zero: the alignment of a term. */
[[gnu::always_inline]] inline Ints truncate(Floats x) { return __builtin_convertvector(x, Ints); }

/** Exponents of A at two neighbouring k, the same in every lane. */
[[gnu::always_inline]] inline Shorts pair(const std::int16_t* exponents) {
  i32 both;
  __builtin_memcpy(&both, exponents, 4);
  return reinterpret_cast<Shorts>(Ints{} + both);
}

/** Exponent of an f32 accumulator; a zero has none. */
[[gnu::always_inline]] inline Ints exponent_of(Floats x) {
  const Ints magnitude = as_ints(x) & 0x7fffffff;
  const Ints exponent = larger(magnitude >> 23, Ints{} + 1) - 127;
  return magnitude == 0 ? Ints{} + 2 * zero_exponent : exponent;
}

/** 2^exponent, for exponents of normal floats. */
[[gnu::always_inline]] inline Floats power(Ints exponent) { return as_floats((exponent + 127) << 23); }

/** `rows` rows of A against one vector of columns: `at` is its first column in the group. */
template <int rows, bool small>
[[gnu::always_inline]] inline void aligned_strip(const AlignedBlock& block, i64 row, int at) {
  Floats sums[rows];
  const i64 half = block.terms / 2;
  const Ints lowest = Ints{} + (block.fraction_bits - 126);
  // e8m13 keeps 13 of 23 fraction bits; small sums have at most 24 bits, which f32 holds whole.
  const Ints kept = Ints{} + (block.output == StepOutput::e8m13 ? ~0x3ff : ~0);
  const float* a_values[rows];
  const std::int16_t* a_exponents[rows];
  for (int r = 0; r < rows; r++) {
    sums[r] = Floats{};
    a_values[r] = block.a_values + (row + r) * block.a_stride;
    a_exponents[r] = block.a_exponents + (row + r) * block.a_stride;
  }
  for (i64 step = 0; step < block.steps; step++) {
    const i64 first = step * block.terms;
    Shorts largest[rows];
    for (int r = 0; r < rows; r++) largest[r] = Shorts{} + static_cast<std::int16_t>(2 * zero_exponent);
    for (i64 k = 0; k < half; k++) {
      const Shorts b = load(block.b_exponents + ((first / 2 + k) * group + at) * 2);
      for (int r = 0; r < rows; r++) largest[r] = larger(largest[r], static_cast<Shorts>(b + pair(a_exponents[r] + first + 2 * k)));
    }
    Ints top[rows];
    Floats scale[rows];
    Ints total[rows];
    for (int r = 0; r < rows; r++) {
      const Ints both = reinterpret_cast<Ints>(largest[r]);
      top[r] = larger(larger(larger(both >> 16, (both << 16) >> 16), exponent_of(sums[r])), lowest);
      scale[r] = power(block.fraction_bits - top[r]);
      total[r] = truncate(sums[r] * scale[r]);
    }
    if constexpr (small) {
      for (i64 k = first; k < first + block.terms; k++) {
        const Floats b = load(block.b_values + k * group + at);
        for (int r = 0; r < rows; r++) total[r] += truncate(b * a_values[r][k] * scale[r]);
      }
      for (int r = 0; r < rows; r++) {
        const Floats exact = __builtin_convertvector(total[r], Floats) * power(top[r] - block.fraction_bits);
        sums[r] = as_floats(as_ints(exact) & kept);
      }
    } else {
      i64 wide[rows][width];
      for (int r = 0; r < rows; r++) {
        for (int i = 0; i < width; i++) wide[r][i] = total[r][i];
      }
      for (i64 from = first; from < first + block.terms; from += block.terms_in_i32) {
        const i64 to = least(from + block.terms_in_i32, first + block.terms);
        for (int r = 0; r < rows; r++) total[r] = Ints{};
        for (i64 k = from; k < to; k++) {
          const Floats b = load(block.b_values + k * group + at);
          for (int r = 0; r < rows; r++) total[r] += truncate(b * a_values[r][k] * scale[r]);
        }
        for (int r = 0; r < rows; r++) {
          for (int i = 0; i < width; i++) wide[r][i] += total[r][i];
        }
      }
      for (int r = 0; r < rows; r++) {
        for (int i = 0; i < width; i++) {
          // f16 accumulators overflow: to finite terms an infinite sum stays what it is.
          if ((float_bits(sums[r][i]) & magnitude_mask) == inf_bits) continue;
          sums[r][i] = bits_float(round_step(wide[r][i], top[r][i] - block.fraction_bits, block.output));
        }
      }
    }
  }
  for (int r = 0; r < rows; r++) store(block.partial + (row + r) * group + at, sums[r]);
}

template <int rows>
void aligned_rows(const AlignedBlock& block, i64 row, bool small) {
  for (int part = 0; part < parts; part++) {
    if (small) {
      aligned_strip<rows, true>(block, row, part * width);
    } else {
      aligned_strip<rows, false>(block, row, part * width);
    }
  }
}

void aligned(const AlignedBlock& block) {
  const bool small = block.output != StepOutput::f16_rne && (4 * block.terms + 2) << block.fraction_bits <= i64{1} << 24;
  i64 row = 0;
  for (; row + 4 <= block.rows; row += 4) aligned_rows<4>(block, row, small);
  for (; row < block.rows; row++) aligned_rows<1>(block, row, small);
}

void exact(const PlainBlock& block) {
  for (i64 row = 0; row < block.rows; row++) {
    const float* a = block.a_values + row * block.a_stride;
    double sums[group] = {};
    for (i64 k = 0; k < block.terms; k++) {
      const double x = a[k];
      for (int i = 0; i < group; i++) sums[i] += x * static_cast<double>(block.b_values[k * group + i]);
    }
    for (int i = 0; i < group; i++) block.partial[row * group + i] = static_cast<float>(sums[i]) + 0.0f;
  }
}

void sequential(const PlainBlock& block) {
  for (i64 row = 0; row < block.rows; row++) {
    const float* a = block.a_values + row * block.a_stride;
    float sums[group] = {};
    for (i64 k = 0; k < block.terms; k++) {
      const float x = a[k];
      for (int i = 0; i < group; i++) sums[i] = __builtin_fmaf(x, block.b_values[k * group + i], sums[i]);
    }
    for (int i = 0; i < group; i++) block.partial[row * group + i] = sums[i];
  }
}

template <Combine combine, Promote how>
void promote_as(float* sums, const float* partial, const float* scale_a, const float* scale_b, i64 rows) {
  for (i64 row = 0; row < rows; row++) {
    const float a = scale_a[row];
    float* sum = sums + row * group;
    const float* part = partial + row * group;
    for (int i = 0; i < group; i++) sum[i] = fp8lab::promote(combine, how, sum[i], part[i], a, scale_b[i]);
  }
}

void promote(const Arithmetic& arithmetic, float* sums, const float* partial, const float* scale_a, const float* scale_b, i64 rows) {
  const bool fused = arithmetic.promote == Promote::fused;
  switch (arithmetic.combine) {
    case Combine::scales_first:
      return fused ? promote_as<Combine::scales_first, Promote::fused>(sums, partial, scale_a, scale_b, rows)
                   : promote_as<Combine::scales_first, Promote::unfused>(sums, partial, scale_a, scale_b, rows);
    case Combine::a_then_b:
      return fused ? promote_as<Combine::a_then_b, Promote::fused>(sums, partial, scale_a, scale_b, rows)
                   : promote_as<Combine::a_then_b, Promote::unfused>(sums, partial, scale_a, scale_b, rows);
    case Combine::b_then_a:
      return fused ? promote_as<Combine::b_then_a, Promote::fused>(sums, partial, scale_a, scale_b, rows)
                   : promote_as<Combine::b_then_a, Promote::unfused>(sums, partial, scale_a, scale_b, rows);
  }
}

}  // namespace

extern const LaneOps ops;
const LaneOps ops = {FP8LAB_LANES_NAME, widen_bf16,  widen_f16, amax,    amax_each, encode_8,   encode_16, encode_each_8,
                     scale_8,           narrow_bf16, philox,    aligned, exact,     sequential, promote};

}  // namespace fp8lab::host::FP8LAB_LANES

#pragma once
// Written from src/numerics/formats.ts by `npx vitest run test/native/formats-table.test.ts -u`: edit the source, not this file.

namespace fp8lab {

enum class FormatId : u8 { e4m3, e5m2, e8m0, e2m1, e2m3, e3m2, e5m6, e4m3fnuz, e5m2fnuz, bf16, f16, f32 };

inline constexpr int format_count = 12;

inline constexpr const char* format_names[format_count] = {"e4m3", "e5m2", "e8m0", "e2m1", "e2m3", "e3m2", "e5m6", "e4m3fnuz", "e5m2fnuz", "bf16", "f16", "f32"};

/** The format of an id. */
FP8LAB_HD constexpr Format format_of(FormatId id) {
  switch (id) {
    case FormatId::e4m3: return {8, 1, 4, 3, 7, Specials::fn, 0x7eu, 0x7f, -1, 0x43e00000u, 0x3c800000u, 0x3b000000u};
    case FormatId::e5m2: return {8, 1, 5, 2, 15, Specials::ieee, 0x7bu, 0x7f, 0x7c, 0x47600000u, 0x38800000u, 0x37800000u};
    case FormatId::e8m0: return {8, 0, 8, 0, 127, Specials::scale, 0xfeu, 0xff, -1, 0x7f000000u, 0x400000u, 0x400000u};
    case FormatId::e2m1: return {4, 1, 2, 1, 1, Specials::finite, 0x7u, -1, -1, 0x40c00000u, 0x3f800000u, 0x3f000000u};
    case FormatId::e2m3: return {6, 1, 2, 3, 1, Specials::finite, 0x1fu, -1, -1, 0x40f00000u, 0x3f800000u, 0x3e000000u};
    case FormatId::e3m2: return {6, 1, 3, 2, 3, Specials::finite, 0x1fu, -1, -1, 0x41e00000u, 0x3e800000u, 0x3d800000u};
    case FormatId::e5m6: return {12, 1, 5, 6, 15, Specials::ieee, 0x7bfu, 0x7ff, 0x7c0, 0x477e0000u, 0x38800000u, 0x35800000u};
    case FormatId::e4m3fnuz: return {8, 1, 4, 3, 8, Specials::fnuz, 0x7fu, 0x80, -1, 0x43700000u, 0x3c000000u, 0x3a800000u};
    case FormatId::e5m2fnuz: return {8, 1, 5, 2, 16, Specials::fnuz, 0x7fu, 0x80, -1, 0x47600000u, 0x38000000u, 0x37000000u};
    case FormatId::bf16: return {16, 1, 8, 7, 127, Specials::ieee, 0x7f7fu, 0x7fff, 0x7f80, 0x7f7f0000u, 0x800000u, 0x10000u};
    case FormatId::f16: return {16, 1, 5, 10, 15, Specials::ieee, 0x7bffu, 0x7fff, 0x7c00, 0x477fe000u, 0x38800000u, 0x33800000u};
    case FormatId::f32: return {32, 1, 8, 23, 127, Specials::ieee, 0x7f7fffffu, 0x7fffffff, 0x7f800000, 0x7f7fffffu, 0x800000u, 0x1u};
  }
  return {};
}

}  // namespace fp8lab

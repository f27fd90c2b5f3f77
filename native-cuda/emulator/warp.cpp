#include "warp.h"

#include <algorithm>

#include "block.h"

namespace fp8lab::emulator {

const u64* meet_warp(u32 mask, u64 value, const char* instruction) {
  Thread& self = current();
  return self.block->warp(self.index / 32).arrive(self.index % 32, mask, value, instruction);
}

namespace {

template <class Fold>
u32 fold(u32 mask, u32 value, const char* instruction, Fold step) {
  const u64* values = meet_warp(mask, value, instruction);
  for (u32 lane = 0; lane < 32; lane++) {
    if (((mask >> lane) & 1) != 0) value = step(value, static_cast<u32>(values[lane]));
  }
  return value;
}

}  // namespace

}  // namespace fp8lab::emulator

using fp8lab::emulator::Omission;

void __syncthreads() {
  if (left_out(Omission::syncthreads)) return;
  fp8lab::emulator::Block& block = *fp8lab::emulator::current().block;
  block.named(0).arrive(block.live());
}

void __trap() { fp8lab::emulator::fail("trap", "the kernel trapped"); }

unsigned __reduce_max_sync(unsigned mask, unsigned value) {
  return fp8lab::emulator::fold(mask, value, "__reduce_max_sync", [](unsigned a, unsigned b) { return std::max(a, b); });
}

unsigned __reduce_min_sync(unsigned mask, unsigned value) {
  return fp8lab::emulator::fold(mask, value, "__reduce_min_sync", [](unsigned a, unsigned b) { return std::min(a, b); });
}

unsigned __match_any_sync(unsigned mask, unsigned value) {
  const fp8lab::u64* values = fp8lab::emulator::meet_warp(mask, value, "__match_any_sync");
  unsigned same = 0;
  for (unsigned lane = 0; lane < 32; lane++) {
    if (((mask >> lane) & 1) != 0 && values[lane] == value) same |= 1u << lane;
  }
  return same;
}

bool __all_sync(unsigned mask, bool value) {
  return fp8lab::emulator::fold(mask, value ? 1 : 0, "__all_sync", [](unsigned a, unsigned b) { return a & b; }) != 0;
}

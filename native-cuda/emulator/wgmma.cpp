#include "wgmma.h"

#include <algorithm>
#include <vector>

#include "../numerics/tensor_core.h"

namespace fp8lab::emulator {

namespace {

constexpr int rows = 64, terms = 32;
constexpr Model hopper{ModelKind::aligned, 13, terms, StepOutput::e8m13, TermOrder::linear};
constexpr Model hopper_half{ModelKind::aligned, 13, terms, StepOutput::f16_rne, TermOrder::linear};

/** 32 codes of each row of an operand, decoded: magnitudes, exponents and signs apart, so that loops over k become vectors. */
struct Side {
  std::vector<Operand> operands;
  std::vector<i32> magnitudes, exponents, signs;
  bool special = false;

  explicit Side(int count) : operands(static_cast<std::size_t>(count)), magnitudes(operands.size()), exponents(operands.size()), signs(operands.size()) {}

  void set(int row, int k, u32 code, const Format& format) {
    const Operand operand = decode_operand(code, format);
    const auto at = static_cast<std::size_t>(row * terms + k);
    operands[at] = operand;
    magnitudes[at] = std::abs(operand.significand);
    exponents[at] = operand.significand == 0 ? -1000 : operand.exponent;
    signs[at] = operand.significand < 0 ? -1 : 0;
    special = special || operand.special != Special::none;
  }
};

/** A row of an operand in shared memory: K-major in 128-byte swizzle, the one layout that the kernels use (PTX ISA, "Matrix-Descriptor Format"). */
u8 byte_at(Block& block, u64 descriptor, int row, int k) {
  const u32 start = static_cast<u32>(descriptor & 0x3fff) << 4, stride = static_cast<u32>((descriptor >> 32) & 0x3fff) << 4;
  if (descriptor >> 62 != 1 || ((descriptor >> 49) & 7) != 0) fail("wgmma-layout", "a wgmma descriptor without 128-byte swizzle, or with a base offset");
  const u32 address = swizzled_128(start + static_cast<u32>(row / 8) * stride + static_cast<u32>(row % 8) * 128 + static_cast<u32>(k));
  return *block.memory_at(address, 1, 1, "wgmma");
}

Side read_side(Block& block, u64 descriptor, int count, FormatId id) {
  Side side(count * terms);
  const Format format = format_of(id);
  for (int row = 0; row < count; row++) {
    // A row's 32 bytes are two chunks, each whole.
    for (int k = 0; k < terms; k += 16) {
      const u32 first = static_cast<u32>(descriptor & 0x3fff) << 4;
      const u32 stride = static_cast<u32>((descriptor >> 32) & 0x3fff) << 4;
      block.require_visible(swizzled_128(first + static_cast<u32>(row / 8) * stride + static_cast<u32>(row % 8) * 128 + static_cast<u32>(k)), 16, "wgmma");
    }
    for (int k = 0; k < terms; k++) side.set(row, k, byte_at(block, descriptor, row, k), format);
  }
  return side;
}

/** A of registers: thread t holds rows 16 * (t / 32) + t % 32 / 4 and 8 below, k 4 * (t % 4) on and 16 further. */
Side read_fragments(const WgmmaOp& op) {
  Side side(rows * terms);
  const Format format = format_of(op.format_a);
  for (int t = 0; t < 128; t++) {
    for (int r = 0; r < 4; r++) {
      for (int byte = 0; byte < 4; byte++) {
        side.set(t / 32 * 16 + t % 32 / 4 + r % 2 * 8, r / 2 * 16 + t % 4 * 4 + byte, (op.fragments[t][r] >> (8 * byte)) & 0xff, format);
      }
    }
  }
  return side;
}

/** Where element (row, column) of D lies: thread and register. */
struct Holder {
  int thread;
  int index;
};

Holder holder_of(int row, int column) { return {row / 16 * 32 + row % 8 * 4 + column % 8 / 2, column / 8 * 4 + row % 16 / 8 * 2 + column % 2}; }

#if defined(__x86_64__)
[[gnu::target_clones("avx2", "default")]]
#endif
i32 finite_sum(const i32* ma, const i32* ea, const i32* sa, const i32* mb, const i32* eb, const i32* sb, int shift, i32 accumulator_exponent, i32& largest) {
  i32 top = accumulator_exponent;
  for (int k = 0; k < terms; k++) top = std::max(top, ea[k] + eb[k]);
  i32 sum = 0;
  for (int k = 0; k < terms; k++) {
    const i32 term = ((ma[k] * mb[k]) << shift) >> std::min(top - ea[k] - eb[k], 31);
    const i32 sign = sa[k] ^ sb[k];
    sum += (term ^ sign) - sign;
  }
  largest = top;
  return sum;
}

/** One output by the model; the quick way where no term is Inf or NaN. */
u32 step(const WgmmaOp& op, const Side& a, const Side& b, int row, int column, int own, u32 accumulator) {
  const auto at_a = static_cast<std::size_t>(row * terms), at_b = static_cast<std::size_t>(column * terms);
  const Model& model = op.half ? hopper_half : hopper;
  const Term c = accumulator_term(accumulator);
  if (a.special || b.special || c.special != Special::none) {
    return aligned_step(model, own, accumulator, terms, [&](i64 k) { return product(a.operands[at_a + static_cast<std::size_t>(k)], b.operands[at_b + static_cast<std::size_t>(k)]); });
  }
  constexpr i32 none = -900;
  i32 largest;
  const i32 sum = finite_sum(&a.magnitudes[at_a], &a.exponents[at_a], &a.signs[at_a], &b.magnitudes[at_b], &b.exponents[at_b], &b.signs[at_b], model.fraction_bits - own,
                             c.significand == 0 ? none : c.exponent, largest);
  return largest == none ? 0 : round_step(sum + align(c, 23, model.fraction_bits, largest), largest - model.fraction_bits, model.output);
}

void execute(Block& block, const WgmmaOp& op) {
  const Side a = op.registers ? read_fragments(op) : read_side(block, op.a, rows, op.format_a);
  const Side b = read_side(block, op.b, op.n, op.format_b);
  const Format f16 = format_of(FormatId::f16);
  const int own = format_of(op.format_a).mantissa_bits + format_of(op.format_b).mantissa_bits;
  for (int row = 0; row < rows; row++) {
    for (int column = 0; column < op.n; column++) {
      const Holder holder = holder_of(row, column);
      u32& word = op.sums[holder.thread][op.half ? holder.index / 2 : holder.index];
      const int half_shift = 16 * (holder.index % 2);
      const u32 before = !op.accumulate ? 0 : op.half ? decode((word >> half_shift) & 0xffff, f16) : word;
      const u32 after = step(op, a, b, row, column, own, before);
      word = op.half ? (word & ~(0xffffu << half_shift)) | encode(after, f16, Rounding::nearest_even, Overflow::ieee) << half_shift : after;
    }
  }
}

bool same(const WgmmaOp& a, const WgmmaOp& b) {
  return a.n == b.n && a.format_a == b.format_a && a.format_b == b.format_b && a.half == b.half && a.registers == b.registers && a.a == b.a && a.b == b.b &&
         a.accumulate == b.accumulate;
}

}  // namespace

void issue_wgmma(const WgmmaOp& op, u32* sums, const u32* fragment) {
  Thread& self = current();
  Block& block = *self.block;
  Warpgroup& group = block.warpgroup(self.index / 128);
  Pending& pending = block.pending(self);
  if (!pending.wgmma_fenced) fail("missing-wgmma-fence", "wgmma without wgmma.fence since its registers were last waited for");
  const u64 place = pending.wgmma_issued++ - group.first;
  if (place == group.ops.size()) group.ops.push_back(std::make_shared<WgmmaOp>(op));
  const std::shared_ptr<WgmmaOp>& shared = group.ops[place];
  if (!same(op, *shared)) fail("wgmma-diverged", "threads of a warpgroup issue different wgmma");
  const u32 thread = self.index % 128;
  shared->sums[thread] = sums;
  if (fragment != nullptr) std::copy_n(fragment, 4, shared->fragments[thread]);
  if (++shared->issued < 128) return;
  defer(Beside::product, &group, [&block, &group] {
    execute(block, *group.ops.front());
    group.ops.pop_front();
    group.first++;
    group.done.finish();
  });
}

}  // namespace fp8lab::emulator

namespace fp8lab::cuda {

using emulator::Pending;

void wgmma_fence() {
  if (!left_out(Omission::wgmma_fence)) current().block->pending(current()).wgmma_fenced = true;
}

void wgmma_commit() {
  Pending& pending = current().block->pending(current());
  pending.wgmma_commits.push_back(pending.wgmma_issued);
}

void wait_wgmma(int unfinished) {
  emulator::Thread& self = current();
  Pending& pending = self.block->pending(self);
  pending.wgmma_fenced = false;
  if (left_out(Omission::wgmma_wait)) return;
  const std::size_t commits = pending.wgmma_commits.size();
  if (commits <= static_cast<std::size_t>(unfinished)) return;
  const u64 wanted = pending.wgmma_commits[commits - 1 - static_cast<std::size_t>(unfinished)];
  emulator::Done& done = self.block->warpgroup(self.index / 128).done;
  while (done.count < wanted) emulator::wait(done);
}

}  // namespace fp8lab::cuda

#pragma once
// SwiGLU and its gradients on bits: docs/numerics.md, "SwiGLU". The twin of src/numerics/swiglu.ts.

#include "exp.h"
#include "f32.h"

namespace fp8lab {

/** True where |x| > limit, both f32 bits; never for NaN. */
FP8LAB_HD bool passes(u32 bits, u32 limit) { return (bits & magnitude_mask) > limit && (bits & magnitude_mask) <= inf_bits; }

/** True where a gate value is above the clamp; a clamp of Inf clamps nothing. */
FP8LAB_HD bool gate_is_clamped(u32 gate, u32 limit) { return gate >> 31 == 0 && passes(gate, limit); }

/** min(gate, limit); NaN stays. */
FP8LAB_HD u32 clamp_gate(u32 gate, u32 limit) { return gate_is_clamped(gate, limit) ? limit : gate; }

/** min(max(up, -limit), limit); NaN stays. */
FP8LAB_HD u32 clamp_up(u32 up, u32 limit) { return passes(up, limit) ? (up & 0x80000000u) | limit : up; }

/** fl(fl(gate * sigmoid(gate)) * up) of clamped values. */
FP8LAB_HD u32 swiglu_bits(u32 gate, u32 up, u32 limit) {
  const u32 g = clamp_gate(gate, limit);
  return mul_bits(mul_bits(g, sigmoid_bits(g)), clamp_up(up, limit));
}

/** Gradients of gate and up. */
struct SwigluGradients {
  u32 gate;
  u32 up;
};

/** `grad` has the weight in it. */
FP8LAB_HD SwigluGradients swiglu_gradients(u32 gate, u32 up, u32 grad, u32 limit) {
  const u32 g = clamp_gate(gate, limit);
  const u32 sigmoid = sigmoid_bits(g);
  const u32 scaled = mul_bits(grad, sigmoid);
  const u32 rest = add_bits(one_bits, sigmoid ^ 0x80000000u);
  const u32 slope = canonical_bits(fma_rn(bits_float(g), bits_float(rest), 1.0f));
  return {gate_is_clamped(gate, limit) ? 0 : mul_bits(mul_bits(scaled, clamp_up(up, limit)), slope),
          passes(up, limit) ? 0 : mul_bits(scaled, g)};
}

}  // namespace fp8lab

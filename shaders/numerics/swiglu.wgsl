// SwiGLU and its gradients on bits. A clamp of infinity clamps nothing.
#include "numerics/exp.wgsl"
#include "numerics/float.wgsl"

// |x| > limit; never for NaN.
fn passes(bits: u32, limit: u32) -> bool {
  let magnitude = bits & MAGNITUDE;
  return magnitude > limit && magnitude <= INFINITY_BITS;
}

fn gate_is_clamped(gate: u32, limit: u32) -> bool {
  return (gate & SIGN_BIT) == 0u && passes(gate, limit);
}

fn clamp_gate(gate: u32, limit: u32) -> u32 {
  return select(gate, limit, gate_is_clamped(gate, limit));
}

fn clamp_up(up: u32, limit: u32) -> u32 {
  return select(up, (up & SIGN_BIT) | limit, passes(up, limit));
}

fn swiglu(gate: u32, up: u32, limit: u32) -> u32 {
  let g = clamp_gate(gate, limit);
  return float_mul(float_mul(g, sigmoid_bits(g)), clamp_up(up, limit));
}

// grad has the weight in it.
fn gate_gradient(gate: u32, up: u32, grad: u32, limit: u32) -> u32 {
  if (gate_is_clamped(gate, limit)) {
    return 0u;
  }
  let sigmoid = sigmoid_bits(gate);
  let slope = float_fma(gate, float_add(0x3f800000u, sigmoid ^ SIGN_BIT), 0x3f800000u);
  return float_mul(float_mul(float_mul(grad, sigmoid), clamp_up(up, limit)), slope);
}

fn up_gradient(gate: u32, up: u32, grad: u32, limit: u32) -> u32 {
  if (passes(up, limit)) {
    return 0u;
  }
  let g = clamp_gate(gate, limit);
  return float_mul(float_mul(grad, sigmoid_bits(g)), g);
}

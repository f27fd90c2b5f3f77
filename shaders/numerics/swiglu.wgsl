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

// silu(gate) * up, and * weight where `weighted` is 1. Chains of products are loops: compilers copy every call.
fn swiglu(gate: u32, up: u32, limit: u32, weight: u32, weighted: u32) -> u32 {
  let g = clamp_gate(gate, limit);
  return product_of(g, vec4(sigmoid_bits(g), clamp_up(up, limit), weight, 0u), 0u, 2u + weighted);
}

// Gradient of that to the gate, or to up.
fn swiglu_gradient(of_gate: bool, gate: u32, up: u32, grad: u32, limit: u32, weight: u32, weighted: u32) -> u32 {
  if ((of_gate && gate_is_clamped(gate, limit)) || (!of_gate && passes(up, limit))) {
    return 0u;
  }
  let g = clamp_gate(gate, limit);
  let sigmoid = sigmoid_bits(g);
  // 1 - sigmoid, then 1 + gate times that.
  var slope = sigmoid ^ SIGN_BIT;
  for (var step = 0u; step < 2u; step++) {
    slope = float_fma(select(ONE_BITS, gate, step == 1u), slope, ONE_BITS);
  }
  let other = select(g, clamp_up(up, limit), of_gate);
  return product_of(grad, vec4(weight, sigmoid, other, slope), 1u - weighted, select(3u, 4u, of_gate));
}

// first * factors[begin] * ... * factors[end - 1], from the left, each rounded.
fn product_of(first: u32, factors: vec4<u32>, begin: u32, end: u32) -> u32 {
  var product = first;
  for (var i = begin; i < end; i++) {
    product = float_mul(product, factors[i]);
  }
  return product;
}

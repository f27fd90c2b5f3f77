// The functions of exp.wgsl by the adapter's own: the fast tier puts this file in its place. They are a few units in the last place off, more of
// them where |x| is large.
#include "numerics/classify.wgsl"

fn exp_bits(bits: u32) -> u32 {
  return select(bitcast<u32>(exp(bitcast<f32>(bits))), NAN_BITS, is_nan(bits));
}

fn sigmoid_bits(bits: u32) -> u32 {
  return select(bitcast<u32>(1.0 / (1.0 + exp(-bitcast<f32>(bits)))), NAN_BITS, is_nan(bits));
}

// ln(1 + e^x) as max(x, 0) + ln(1 + e^-|x|): the exponential overflows nowhere.
fn softplus_bits(bits: u32) -> u32 {
  let x = bitcast<f32>(bits);
  return select(bitcast<u32>(max(x, 0.0) + log(1.0 + exp(-abs(x)))), NAN_BITS, is_nan(bits));
}

fn sqrt_bits(bits: u32) -> u32 {
  return select(bitcast<u32>(sqrt(bitcast<f32>(bits))), NAN_BITS, is_nan(bits));
}

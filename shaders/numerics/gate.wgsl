// What the gate's entry points share: docs/numerics.md, "Gate". The twin of src/kernels/gate/order.ts and scores.ts.
#include "numerics/exp.wgsl"
#include "numerics/float.wgsl"

const SIGMOID = 0u;
const SQRT_SOFTPLUS = 1u;
const SOFTMAX = 2u;

// Below the key of -Inf.
const NAN_KEY = 0u;

fn key_of(bits: u32) -> u32 {
  let magnitude = bits & MAGNITUDE;
  let key = select(bits | SIGN_BIT, ~bits, (bits & SIGN_BIT) != 0u);
  return select(select(key, SIGN_BIT, magnitude == 0u), NAN_KEY, magnitude > INFINITY_BITS);
}

fn bits_of_key(key: u32) -> u32 {
  return select(~key, key & MAGNITUDE, (key & SIGN_BIT) != 0u);
}

fn gap_of(chosen: u32, refused: u32) -> u32 {
  if (chosen == refused) {
    return 0u;
  }
  return float_add(bits_of_key(chosen), bits_of_key(refused) ^ SIGN_BIT);
}

// e^(logit - largest).
fn softmax_exponential(logit: u32, largest: u32) -> u32 {
  return exp_bits(float_add(logit, largest ^ SIGN_BIT));
}

// An exponential, at most 1, in whole units of 2^-36.
fn softmax_units(exponential: u32) -> vec2<u32> {
  let x = float_unpack(exponential);
  let shift = x.exponent + 13;
  if (shift < 0) {
    return vec2(shift_right(x.significand, -shift), 0u);
  }
  return u64_shift_left(vec2(x.significand, 0u), u32(shift) & 63u);
}

fn softmax_sum(units: vec2<u32>) -> u32 {
  return float_from_u64(0u, -36, units);
}

// The score of a logit; largest and sum are the softmax's.
fn score_of(score: u32, logit: u32, largest: u32, sum: u32) -> u32 {
  switch (score) {
    case SIGMOID: {
      return sigmoid_bits(logit);
    }
    case SQRT_SOFTPLUS: {
      return sqrt_bits(softplus_bits(logit));
    }
    case SOFTMAX: {
      return float_div(softmax_exponential(logit, largest), sum);
    }
    default: {
      return logit;
    }
  }
}

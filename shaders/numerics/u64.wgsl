// 64-bit unsigned integers as vec2(low, high); WGSL has none.

// The whole product of two 32-bit integers, by 16-bit halves: no partial sum passes 32 bits.
fn u64_multiply(a: u32, b: u32) -> vec2<u32> {
  let a_low = a & 0xffffu;
  let a_high = a >> 16u;
  let b_low = b & 0xffffu;
  let b_high = b >> 16u;
  let middle = a_high * b_low + ((a_low * b_low) >> 16u);
  let crossed = a_low * b_high + (middle & 0xffffu);
  return vec2(a * b, a_high * b_high + (middle >> 16u) + (crossed >> 16u));
}

fn u64_add(a: vec2<u32>, b: vec2<u32>) -> vec2<u32> {
  let low = a.x + b.x;
  return vec2(low, a.y + b.y + select(0u, 1u, low < a.x));
}

fn u64_subtract(a: vec2<u32>, b: vec2<u32>) -> vec2<u32> {
  return vec2(a.x - b.x, a.y - b.y - select(0u, 1u, a.x < b.x));
}

fn u64_less(a: vec2<u32>, b: vec2<u32>) -> bool {
  return a.y < b.y || (a.y == b.y && a.x < b.x);
}

fn u64_is_zero(a: vec2<u32>) -> bool {
  return (a.x | a.y) == 0u;
}

fn u64_leading_zeros(a: vec2<u32>) -> u32 {
  return select(countLeadingZeros(a.y), 32u + countLeadingZeros(a.x), a.y == 0u);
}

// count < 64. A shift by 32 or more is taken modulo 32 by the language, hence the cases.
fn u64_shift_left(a: vec2<u32>, count: u32) -> vec2<u32> {
  if (count == 0u) {
    return a;
  }
  if (count >= 32u) {
    return vec2(0u, a.x << (count - 32u));
  }
  return vec2(a.x << count, (a.y << count) | (a.x >> (32u - count)));
}

fn u64_shift_right(a: vec2<u32>, count: u32) -> vec2<u32> {
  if (count == 0u) {
    return a;
  }
  if (count >= 64u) {
    return vec2(0u, 0u);
  }
  if (count >= 32u) {
    return vec2(a.y >> (count - 32u), 0u);
  }
  return vec2((a.x >> count) | (a.y << (32u - count)), a.y >> count);
}

// Bits shifted out stay visible in bit 0: enough for a later rounding to be right.
fn u64_shift_right_sticky(a: vec2<u32>, count: u32) -> vec2<u32> {
  let shifted = u64_shift_right(a, count);
  let back = u64_shift_left(shifted, min(count, 63u));
  let lost = count >= 64u && !u64_is_zero(a);
  let cut = lost || (count < 64u && any(back != a));
  return vec2(shifted.x | select(0u, 1u, cut), shifted.y);
}

// floor(value / 2^count): 0 from 32 on, where the language would shift by less.
fn shift_right(value: u32, count: i32) -> u32 {
  return select(value >> (u32(count) & 31u), 0u, count > 31);
}

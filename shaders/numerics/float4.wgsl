// float.wgsl for four lanes at once. Lanes with zeros, subnormals, Inf, NaN, or a result outside the normal range go the scalar way: they are rare.
#include "numerics/float.wgsl"

// 52 bits in two limbs: the low one has 28.
struct Limbs {
  high: vec4<u32>,
  low: vec4<u32>,
}

const LIMB = 28u;
const LIMB_MASK = 0xfffffffu;

// Shifts right by 0 to 59; what is lost is folded into the last bit.
fn limbs_shift_right(value: Limbs, count: vec4<u32>) -> Limbs {
  let far = count >= vec4(LIMB);
  let near_count = min(count, vec4(LIMB));
  let far_count = count - near_count;
  let high = value.high >> near_count;
  let low = (value.low >> near_count) | ((value.high << (vec4(LIMB) - near_count)) & vec4(LIMB_MASK));
  let far_low = value.high >> far_count;
  let lost = ((low << near_count) ^ value.low) & ((vec4(1u) << near_count) - vec4(1u));
  let far_lost = value.low | ((far_low << far_count) ^ value.high);
  let sticky = select(vec4(0u), vec4(1u), select(lost, far_lost, far) != vec4(0u));
  return Limbs(select(high, vec4(0u), far), select(low, far_low, far) | sticky);
}

fn significand4(bits: vec4<u32>) -> vec4<u32> {
  return (bits & vec4(0x7fffffu)) | vec4(0x800000u);
}

fn is_zero4(bits: vec4<u32>) -> vec4<bool> {
  return (bits & vec4(MAGNITUDE)) == vec4(0u);
}

// A normal number, or zero.
fn is_plain(bits: vec4<u32>) -> vec4<bool> {
  return (((bits >> vec4(23u)) & vec4(0xffu)) - vec4(1u) < vec4(254u)) | is_zero4(bits);
}

// The 48 bits of a product of two significands, and four zeros below: room for what an alignment shifts out.
fn product4(a: vec4<u32>, b: vec4<u32>) -> Limbs {
  let al = a & vec4(0xfffu);
  let ah = a >> vec4(12u);
  let bl = b & vec4(0xfffu);
  let bh = b >> vec4(12u);
  let middle = al * bh + ah * bl;
  let low = al * bl + ((middle & vec4(0xfffu)) << vec4(12u));
  return Limbs(ah * bh + (middle >> vec4(12u)) + (low >> vec4(24u)), (low & vec4(0xffffffu)) << vec4(4u));
}

// a * b + c with one rounding. A sum is it with b = 1; a product with c a zero of its own sign, which keeps the sign of a product that is zero.
fn float_fma4(a: vec4<u32>, b: vec4<u32>, c: vec4<u32>) -> vec4<u32> {
  let product_zero = is_zero4(a) | is_zero4(b);
  let addend_zero = is_zero4(c);
  let product_sign = (a ^ b) & vec4(SIGN_BIT);
  // Exponents that the numbers' bits have at the top of the limbs.
  let product_exponent = vec4<i32>((a >> vec4(23u)) & vec4(0xffu)) + vec4<i32>((b >> vec4(23u)) & vec4(0xffu)) - vec4(126);
  let addend_exponent = select(vec4<i32>((c >> vec4(23u)) & vec4(0xffu)), product_exponent, addend_zero);
  let distance = product_exponent - addend_exponent;
  let product = limbs_shift_right(product4(significand4(a), significand4(b)), vec4<u32>(clamp(-distance, vec4(0), vec4(59))));
  let addend_bits = select(significand4(c), vec4(0u), addend_zero);
  let addend = limbs_shift_right(Limbs(addend_bits, vec4(0u)), vec4<u32>(clamp(distance, vec4(0), vec4(59))));

  let opposite = (product_sign ^ (c & vec4(SIGN_BIT))) != vec4(0u);
  var low = select(product.low + addend.low, product.low - addend.low, opposite);
  var high = select(product.high + addend.high, product.high - addend.high, opposite);
  high += bitcast<vec4<u32>>(bitcast<vec4<i32>>(low) >> vec4(LIMB));
  low &= vec4(LIMB_MASK);
  let negative = high >= vec4(SIGN_BIT);
  high = select(high, vec4(0u) - high - select(vec4(0u), vec4(1u), low != vec4(0u)), negative);
  low = select(low, (vec4(0u) - low) & vec4(LIMB_MASK), negative);
  let zero = (high | low) == vec4(0u);

  // Two bits down, so that the last place always lies in the low limb. Where bits are lost, no cancellation reaches down to them.
  let lost = select(vec4(0u), vec4(1u), (low & vec4(3u)) != vec4(0u));
  low = (low >> vec4(2u)) | ((high & vec4(3u)) << vec4(26u)) | lost;
  high = high >> vec4(2u);
  let top = select(vec4(i32(LIMB) + 31) - vec4<i32>(countLeadingZeros(high)), vec4(31) - vec4<i32>(countLeadingZeros(low)), high == vec4(0u));
  let drop = top - vec4(23);
  let right = vec4<u32>(clamp(drop, vec4(0), vec4(27)));
  let left = vec4<u32>(clamp(-drop, vec4(0), vec4(23)));
  let kept = ((high << (vec4(LIMB) - right)) | (low >> right)) << left;
  let rest = select(vec4(0u), low << ((vec4(32u) - right) & vec4(31u)), right > vec4(0u));
  let up = (rest > vec4(0x80000000u)) | ((rest == vec4(0x80000000u)) & ((kept & vec4(1u)) == vec4(1u)));
  let field = max(product_exponent, addend_exponent) + drop - vec4(26);
  let sign = product_sign ^ select(vec4(0u), vec4(SIGN_BIT), negative);
  let rounded = sign | ((vec4<u32>(field) << vec4(23u)) + (kept - vec4(0x800000u)) + select(vec4(0u), vec4(1u), up));
  var result = select(rounded, vec4(0u), zero);
  result = select(result, select(c, product_sign & c, addend_zero), product_zero);

  let usual = is_plain(a) & is_plain(b) & is_plain(c) & (product_zero | zero | (vec4<u32>(field) - vec4(1u) < vec4(253u)));
  if (!all(usual)) {
    for (var i = 0u; i < 4u; i++) {
      if (!usual[i]) {
        result[i] = float_fma(a[i], b[i], c[i]);
      }
    }
  }
  return result;
}

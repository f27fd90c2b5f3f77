// An operand's codes made ready for products: decoded once, four rows side by side, k in the order of the fused sums, zeros for padding.
#include "kernels/gemm_pack.wgsl"
#include "numerics/operand.wgsl"

// One thread writes the words of four rows at one k, or at two: their halves are then values as bf16, which the host knows to be exact.
@compute @workgroup_size(WORKGROUP_SIZE)
fn pack_operand(
  @builtin(workgroup_id) workgroup: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) local: u32,
) {
  let thread = thread_index(workgroup, groups, local);
  let group = thread / parameters.row_words;
  let word = thread - group * parameters.row_words;
  if (group >= parameters.row_groups) {
    return;
  }
  let block = word / parameters.block_words;
  let within = k_of(K_PER_WORD * (word - block * parameters.block_words));
  let start = block * parameters.block;
  let length = min(parameters.block, parameters.k - start);
  var words = vec4<u32>();
  var powers = vec4<u32>();
  for (var i = 0u; i < 4u; i++) {
    let row = 4u * group + i;
    if (within < length && row < parameters.rows) {
      let element = row * parameters.k + start + within;
      let code = code_at(element);
      words[i] = word_of(code);
      powers[i] = power_of(code);
      if (K_PER_WORD == 2) {
        words[i] = words[i] >> 16u;
        powers[i] = powers[i] >> 16u;
        if (within + 1u < length) {
          let next = code_at(element + 1u);
          words[i] |= word_of(next) & 0xffff0000u;
          powers[i] |= power_of(next) & 0xffff0000u;
        }
      }
    }
  }
  keep(group, word, 0u, 1u + u32(WITH_POWERS), words);
  if (WITH_POWERS == 1) {
    keep(group, word, 1u, 2u, powers);
  }
}

fn code_at(element: u32) -> u32 {
  return input_lane(codes[element >> INPUT_LANE_SHIFT], element);
}

// Bits of 2^exponent as f32, that of the least normal for subnormals; a zero has none. A special has marks in bits 16 (special) and 17 (NaN), which bf16 keeps.
// Or, among the upper 16 bits, the bit of the exponent counted from the least, and the highest for a special.
fn power_of(code: u32) -> u32 {
  let word = operand_word(code, INPUT);
  if (POWERS_AS_BITS == 1) {
    let bit = 0x10000u << (((word >> 16u) + u32(INPUT_BIAS) - u32(OPERAND_BIAS) - 1u) & 31u);
    return select(select(bit, 0u, word == 0u), SIGN_BIT, (word & OPERAND_SPECIAL) != 0u);
  }
  if ((word & OPERAND_SPECIAL) != 0u) {
    return (127u << 23u) | ((word & (OPERAND_NAN | OPERAND_SPECIAL)) << 3u);
  }
  return select(((word >> 16u) + 127u - u32(OPERAND_BIAS)) << 23u, 0u, word == 0u);
}

// The k, within its block, of the block's word `position`. Paired order: of every 4 k, two go in one sum and two in the next.
fn k_of(position: u32) -> u32 {
  if (PAIRED == 0) {
    return position;
  }
  let step = position / TERMS;
  let term = position - step * TERMS;
  return (step >> 1u) * 2u * TERMS + (term >> 1u) * 4u + (step & 1u) * 2u + (term & 1u);
}

fn word_of(code: u32) -> u32 {
  if (WITH_POWERS == 1) {
    let word = operand_word(code, INPUT);
    // Of a special its sign alone.
    return select(decode(code, INPUT), (word & OPERAND_SIGN) << 19u, (word & OPERAND_SPECIAL) != 0u);
  }
  if (AS_VALUES == 1) {
    return decode(code, INPUT);
  }
  return operand_word(code, INPUT);
}

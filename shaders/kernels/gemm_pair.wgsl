#include "numerics/decode.wgsl"

// The lower two codes of a word as bf16.
fn pair(codes: u32) -> u32 {
  return (decode(codes & 0xffu, INPUT) >> 16u) | (decode((codes >> 8u) & 0xffu, INPUT) & 0xffff0000u);
}

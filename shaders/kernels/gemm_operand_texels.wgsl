// Operands as texels of textures, a row of texels a row: eight k of a block as pairs of bf16.
@group(0) @binding(1) var a: texture_2d<u32>;
@group(0) @binding(2) var b: texture_2d<u32>;

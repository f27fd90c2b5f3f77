// What a tile's values do with its factor: the constant FACTOR of kernels that quantize.
const MULTIPLY_BY = 0u;
const DIVIDE_BY = 1u;
const SHIFT_BY = 2u;

// The factor of a marked tile under SHIFT_BY; the others multiply or divide by NaN.
const NAN_SHIFT = 0x7fffffffu;

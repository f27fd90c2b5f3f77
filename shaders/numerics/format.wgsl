// Number formats as data: the twin of src/numerics/formats.ts. A kernel builds its formats from constants that the host passes.

struct Format {
  bits: u32,
  exponent_bits: u32,
  mantissa_bits: u32,
  bias: i32,
  specials: u32,
  max_code: u32,
  // NO_CODE where the format has none.
  nan_code: u32,
  inf_code: u32,
}

const NO_CODE = 0xffffffffu;

// How a format uses its top codes: Format.specials.
const IEEE = 0u;
const FN = 1u;
const FINITE = 2u;
const FNUZ = 3u;
const SCALE = 4u;

// Bits of the single-precision values that all decoded numbers travel as.
const SIGN_BIT = 0x80000000u;
const MAGNITUDE = 0x7fffffffu;
const INFINITY_BITS = 0x7f800000u;
const LARGEST_BITS = 0x7f7fffffu;
const NAN_BITS = 0x7fffffffu;
const ONE_BITS = 0x3f800000u;

fn magnitude_of(code: u32, format: Format) -> u32 {
  return select(code & ((1u << (format.bits - 1u)) - 1u), code, format.specials == SCALE);
}

fn is_nan_code(code: u32, format: Format) -> bool {
  switch (format.specials) {
    case IEEE: {
      return magnitude_of(code, format) > format.inf_code;
    }
    case FN: {
      return magnitude_of(code, format) == format.nan_code;
    }
    case FINITE: {
      return false;
    }
    default: {
      return code == format.nan_code;
    }
  }
}

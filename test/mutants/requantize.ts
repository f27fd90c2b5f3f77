import type { Mutant } from './mutant.ts';

/** Wrong variants of requantize. */
export const requantize: readonly Mutant[] = [
  {
    kernel: 'requantize',
    name: 'tiles counted from the start of the band',
    spec: 'requantize-split',
    file: 'kernels/tile',
    replace: [['(band.first_row + place.row) / band.tile_rows', 'place.row / band.tile_rows']],
  },
  {
    kernel: 'requantize',
    name: 'amax of a partial tile',
    spec: 'requantize',
    file: 'kernels/amax',
    replace: [
      [
        'let bottom = min(top + parameters.block_rows, band.rows);',
        'let bottom = min(top + parameters.block_rows, band.rows) - 1u;',
      ],
    ],
  },
  {
    kernel: 'requantize',
    name: 'amax kept across a tile border',
    spec: 'requantize-small-tiles',
    file: 'kernels/amax',
    replace: [['      tile = here;\n      largest = 0u;\n', '      tile = here;\n']],
  },
  {
    kernel: 'requantize',
    name: 'codes copied without their first scale',
    spec: 'requantize',
    file: 'kernels/dequantize',
    replace: [
      [
        'float_mul(bits, factors[tile_of(place, band)])',
        'float_mul(bits, min(factors[tile_of(place, band)], 0u) + 0x3f800000u)',
      ],
    ],
  },
  {
    kernel: 'requantize',
    name: 'floor of the scale exponent',
    spec: 'requantize',
    file: 'numerics/power_scale',
    replace: [['select(0, 1, (a & 0x7fffffu) > (b & 0x7fffffu))', 'select(0, -1, (a & 0x7fffffu) < (b & 0x7fffffu))']],
  },
  {
    kernel: 'requantize',
    name: 'all zeros',
    spec: 'requantize',
    file: 'kernels/quantize',
    replace: [['codes[word] = packed;', 'codes[word] = packed & 0u;']],
  },
];

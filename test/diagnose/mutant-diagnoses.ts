/** What diagnose makes of a mutant. */
export type MutantDiagnosis =
  /** Axes that the first candidate must have; `leaves` where it cannot say all: what lies past an array's end is no rule. */
  | { readonly axes: Readonly<Record<string, string>>; readonly leaves?: string }
  /** The code of the refusal. */
  | { readonly refused: string }
  /** Why no rule known to it says what the mutant does: it must admit that, or find the results as they should be. */
  | { readonly outside: string };

const axes = (axes: Readonly<Record<string, string>>, leaves?: string): MutantDiagnosis =>
  leaves === undefined ? { axes } : { axes, leaves };
const outside = (reason: string): MutantDiagnosis => ({ outside: reason });
const core = (fraction: number, terms: number, step: string): MutantDiagnosis =>
  axes({ model: 'aligned', fraction: String(fraction), terms: String(terms), step });

const unwritten = outside('what was in memory before is no rule');
const oneLane = outside('wrong in one row of four alone');
const zeros: MutantDiagnosis = { refused: 'all-zero' };
const split = outside('wrong at the borders of a split that only the mutant has');
const pieces = outside('wrong in what is read four at a time alone');
const sideways = outside('the results that diagnose reads are right');

/** Every mutant of the kernels that can be diagnosed, by kernel and name. */
export const mutantDiagnoses: Readonly<Record<string, MutantDiagnosis>> = {
  'quantize: amax of a partial tile': axes({ amax: 'short' }),
  'quantize: amax of the tile next to it': axes({ amax: 'previous' }),
  'quantize: signed maximum instead of amax': { refused: 'all-nan' },
  'quantize: scale of the neighbour tile': axes({ factor: 'next' }, 'the last tile has no neighbour'),
  'quantize: floor of the scale exponent': axes({ recipe: 'pow2-down' }),
  'quantize: scale exponent one too large at a power of two': axes({ recipe: 'pow2-above' }),
  'quantize: no amax floor': axes({ floor: '0' }),
  'quantize: NaN and Inf do not mark their tile': axes({ specials: 'ignored' }, 'scales made of Inf and NaN'),
  'quantize: round half up': axes({ rounding: 'nearest-away' }),
  'quantize: round toward zero': axes({ rounding: 'toward-zero' }),
  'quantize: subnormal codes flushed': axes({ subnormals: 'flushed-first' }),
  'quantize: no saturation': axes({ overflow: 'ieee' }),
  'quantize: the sign of what rounds to zero is lost': axes({ zeroSign: 'dropped' }),
  'quantize: multiplies by the reciprocal where it should divide': axes({ recipe: 'reciprocal' }),
  'quantize: amax times the reciprocal of the largest value': axes({ recipe: 'v32' }),
  'quantize: random words by position in the band': split,
  'quantize: tensor scale left out': outside('the block scale alone is made without the tensor scale'),
  'quantize: off by one at a ragged end': axes({ blank: 'last-element' }),
  'quantize: last word dropped': unwritten,
  'quantize: all zeros': zeros,
  'quantize: kernel does not run': unwritten,
  'quantize: four at a time, ties rounded up': axes(
    { rounding: 'nearest-away' },
    'subnormal codes keep their rounding',
  ),
  'quantize: four at a time, subnormal codes taken for usual ones': outside('subnormal codes with too few digits'),
  // The scale of each column is one of another: read from the result it explains the codes.
  'quantize: four columns by the amax of the first': axes({ recipe: 'given-divide' }),
  'quantize: four columns, the last row dropped': outside('the last row is in neither the amax nor the codes'),
  'quantize: four at a time, no saturation': axes({ overflow: 'ieee' }, 'codes that run over into the sign'),
  'quantize: four at a time, subnormal codes read as normal': outside(
    'values below the least normal by a step too small',
  ),
  'quantize: four at a time, signed maximum instead of amax': axes({ amax: 'signed' }),
  'quantize: four at a time, scale of the neighbour tile': axes({ factor: 'next' }, 'the last tile has no neighbour'),
  'dequantize: scale of the neighbour tile': axes({ 'x.scale': 'next-block' }, 'the last tile has no neighbour'),
  'dequantize: scale left out': axes({ 'x.scale': 'one' }),
  'dequantize: result truncated': axes({ output: 'toward-zero' }),
  'dequantize: result saturated': axes({ output: 'saturate' }),
  'dequantize: subnormal codes decode to zero': axes({ 'x.decode': 'subnormals-zero' }),
  'dequantize: NaN codes decode to a number': axes({ 'x.decode': 'no-specials' }),
  'dequantize: four at a time by a power of two, subnormal codes taken for usual ones': pieces,
  'dequantize: four at a time by a power of two, the power left out': pieces,
  'dequantize: four at a time, ties rounded up': pieces,
  'dequantize: four at a time, the sign of the scale lost': pieces,
  'dequantize: four at a time, subnormal codes read as normal': pieces,
  'dequantize: four at a time, NaN codes taken for usual ones': axes({ 'x.decode': 'no-specials' }),
  'dequantize: four at a time, the last piece of a row left out': pieces,
  'dequantize: last element dropped': axes({ blank: 'last-element' }),
  'dequantize: all zeros': zeros,
  'dequantize: kernel does not run': unwritten,
  'requantize: tiles counted from the start of the band': split,
  'requantize: amax of a partial tile': outside('only the last, partial tile loses its last row'),
  'requantize: amax kept across a tile border': outside('an amax over the tiles that one thread has seen'),
  'requantize: codes copied without their first scale': axes({ source: 'unscaled' }),
  'requantize: floor of the scale exponent': axes({ recipe: 'pow2-down' }, 'tiles without a floor'),
  'requantize: all zeros': zeros,
  'gemm: 12 fraction bits': core(12, 32, 'e8m13'),
  'gemm: 14 fraction bits': core(14, 32, 'e8m13'),
  'gemm: sums of 16 products': core(13, 16, 'e8m13'),
  'gemm: no cut of the output': core(13, 32, 'f32-rz'),
  'gemm: output rounded to nearest': core(25, 32, 'f32-rne'),
  'gemm: promotion not fused': axes({ promote: 'unfused' }),
  'gemm: scales met in another order': axes({ combine: 'a-then-b' }),
  'gemm: C left out': axes({ c: 'left-out' }),
  'gemm: missing promotion': axes({ interval: '0' }),
  'gemm: floor alignment': oneLane,
  'gemm: alignment by rounding': oneLane,
  'gemm: accumulator not aligned': oneLane,
  'gemm: accumulator left out of the largest exponent': oneLane,
  'gemm: renormalized products': oneLane,
  'gemm: renormalized products in integers': oneLane,
  'gemm: zeros have the exponent of one': outside('zero operands with an exponent that no product has'),
  'gemm: zero products take part in the largest exponent': axes({ zeros: 'in' }),
  // On this spec's codes the same as zero products that take part: only that it is explained is told.
  'gemm: subnormal operands read as normal': axes({ model: 'aligned' }),
  'gemm: sign of B lost': axes({ 'b.decode': 'unsigned' }),
  'gemm: NaN not looked for': outside('NaN as a number past the range of the format'),
  'gemm: NaN and Inf not looked for': outside('Inf and NaN as numbers past the range of the format'),
  'gemm: rows of another thread': outside('rows of A in another order'),
  'gemm: sign of Inf lost': outside('the sign of Inf alone'),
  'gemm: 0 * Inf gives Inf': outside('a rule of Inf and NaN'),
  'gemm: Inf - Inf gives Inf': outside('a rule of Inf and NaN'),
  'gemm: last block dropped': axes({ drop: 'last-block' }),
  'gemm: scales of the next block': axes({ 'a.scale': 'next-block' }, 'the last block has no next'),
  'gemm: scale of the first row for all': axes({ 'a.scale': 'quad-row' }),
  'gemm: power-of-two scale of the first row for all': axes({ 'a.scale': 'quad-row' }),
  'gemm: power-of-two scales: ties away from even': outside('a promotion with a rounding of its own'),
  'gemm: power-of-two scales: what is cut off is lost': outside('a promotion with a rounding of its own'),
  'gemm: other scales taken for powers of two': outside('bits of scales added as if they were exponents'),
  'gemm: scales counted from the start of the piece': split,
  'gemm: last k of a ragged block dropped': axes({ drop: 'block-end' }),
  'gemm: last row dropped': axes({ blank: 'last-edges' }),
  'gemm: k in linear order where the instruction pairs it': axes({ order: 'linear', terms: '16', fraction: '25' }),
  'gemm: carry between limbs lost': outside('digits of an integer sum lost'),
  'gemm: exact sum rounded without its lowest digits': outside('digits of an integer sum lost'),
  'gemm: carry of the exact sum lost': outside('digits of an integer sum lost'),
  'gemm: k descending': axes({ model: 'sequential', order: 'descending' }),
  'gemm: result truncated': axes({ output: 'toward-zero' }),
  'gemm: all zeros': zeros,
  'gemm: kernel does not run': unwritten,
  'gate: bias in the weights': outside('a constant in the weights, not the bias'),
  'gate: zero for minus infinity in groups that are left out': outside('a zero at one place of each block of experts'),
  'gate: groups by their largest instead of their two largest': axes({ groups: 'max' }),
  'gate: experts that tie to the higher index': outside('within blocks of experts alone'),
  'gate: groups that tie to the higher index': outside('within the search for the next group alone'),
  'gate: one group too many': axes({ groupTies: 'all' }),
  'gate: the bias left out of the ranking': axes({ ranking: 'unbiased' }),
  'gate: keys that order negative numbers backwards': outside('keys that no longer give their numbers back'),
  'gate: masked tokens that go somewhere': axes({ mask: 'ignored' }),
  'gate: tokens with NaN that go somewhere': outside('an order of NaN'),
  'gate: load that counts shared experts': sideways,
  'gate: shared experts that weigh nothing': axes({ shared: 'zero' }),
  'gate: sum of weights that starts at zero': axes({ sumStart: '0' }),
  'gate: route scale before the division': axes({ normalize: 'sum-before-scale' }),
  'gate: softmax without the largest subtracted': outside("the contract's own exponentials without a shift"),
  'gate: softmax over all experts for the chosen': outside('a constant in the sum, not the other experts'),
  'gate: softplus without its linear end': outside('an exponential past its range'),
  'gate: blocks that tie to the higher index': outside('between blocks of experts alone'),
  'gate: an expert in two slots': outside('a choice that repeats itself'),
  'gate: gap with its sign turned': sideways,
  'gate: a sigmoid that cuts instead of rounding': outside("a step inside the contract's own exponential"),
  'gate: tokens of the first band again': split,
};

import type { Mutant } from './mutant.ts';

/** Wrong variants of swiglu-quantize. */
export const swigluQuantize: readonly Mutant[] = [
  {
    kernel: 'swiglu-quantize',
    name: 'gate and up exchanged',
    spec: 'swiglu',
    file: 'kernels/swiglu',
    replace: [['swiglu(x_of(at), x_of(at + parameters.inter)', 'swiglu(x_of(at + parameters.inter), x_of(at)']],
  },
  {
    kernel: 'swiglu-quantize',
    name: 'gate cut on both sides',
    spec: 'swiglu-clamped',
    file: 'numerics/swiglu',
    replace: [['return select(gate, limit, gate_is_clamped(gate, limit));', 'return clamp_up(gate, limit);']],
  },
  {
    kernel: 'swiglu-quantize',
    name: 'up cut from above alone',
    spec: 'swiglu-clamped',
    file: 'numerics/swiglu',
    replace: [['return select(up, (up & SIGN_BIT) | limit, passes(up, limit));', 'return clamp_gate(up, limit);']],
  },
  {
    kernel: 'swiglu-quantize',
    name: 'the weight applied to the gate',
    spec: 'swiglu',
    file: 'kernels/swiglu',
    replace: [
      [
        'let value = swiglu(x_of(at), x_of(at + parameters.inter), parameters.limit);',
        'let value = swiglu(float_mul(x_of(at), weights[row]), x_of(at + parameters.inter), parameters.limit);',
      ],
    ],
  },
  {
    kernel: 'swiglu-quantize',
    name: 'padding rows computed',
    spec: 'swiglu',
    constants: { MAPPED: 0 },
  },
  {
    kernel: 'swiglu-quantize',
    name: 'the product of silu and up not rounded first',
    spec: 'swiglu',
    file: 'numerics/swiglu',
    replace: [
      [
        'float_mul(float_mul(g, sigmoid_bits(g)), clamp_up(up, limit))',
        'float_mul(g, float_mul(sigmoid_bits(g), clamp_up(up, limit)))',
      ],
    ],
  },
  {
    kernel: 'swiglu-quantize',
    name: 'weights and slots of the first band',
    spec: 'swiglu-split',
    file: 'kernels/swiglu',
    replace: [['return float_mul(value, weights[row]);', 'return float_mul(value, weights[0]);']],
  },
];

/** Wrong variants of swiglu-backward. */
export const swigluBackward: readonly Mutant[] = [
  {
    kernel: 'swiglu-backward',
    name: 'gradients where the clamp cut',
    spec: 'swiglu-backward',
    file: 'numerics/swiglu',
    replace: [['if (gate_is_clamped(gate, limit)) {', 'if (gate_is_clamped(gate, limit) && limit == 0u) {']],
  },
  {
    kernel: 'swiglu-backward',
    name: 'gate and up exchanged',
    spec: 'swiglu-backward',
    file: 'kernels/swiglu_gradients',
    replace: [['let of_gate = column < inter;', 'let of_gate = column >= inter;']],
  },
  {
    kernel: 'swiglu-backward',
    name: 'the slope rounded twice',
    spec: 'swiglu-backward',
    file: 'numerics/swiglu',
    replace: [
      [
        'float_fma(gate, float_add(0x3f800000u, sigmoid ^ SIGN_BIT), 0x3f800000u)',
        'float_add(float_mul(gate, float_add(0x3f800000u, sigmoid ^ SIGN_BIT)), 0x3f800000u)',
      ],
    ],
  },
  {
    kernel: 'swiglu-backward',
    name: 'the weight forgotten',
    spec: 'swiglu-backward',
    file: 'kernels/swiglu_gradients',
    replace: [['incoming = float_mul(incoming, weights[row]);', 'incoming = incoming + 0u;']],
  },
  {
    kernel: 'swiglu-backward',
    name: 'the last block of columns left out of the sums',
    spec: 'swiglu-backward',
    file: 'kernels/sum_rows',
    replace: [['i < (row + 1u) * parameters.columns;', 'i + 1u < (row + 1u) * parameters.columns;']],
  },
  {
    kernel: 'swiglu-backward',
    name: 'one sum over the whole row',
    spec: 'swiglu-backward',
    constants: { SUM_COLUMNS: 256 },
  },
];

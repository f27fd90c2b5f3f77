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
    replace: [['return swiglu(x_of(at), x_of(at', 'return swiglu(float_mul(x_of(at), weights[row]), x_of(at']],
  },
  {
    kernel: 'swiglu-quantize',
    name: 'padding rows computed',
    spec: 'swiglu',
    file: 'kernels/swiglu',
    replace: [['parameters.mapped == 1u && ', 'parameters.mapped == 2u && ']],
  },
  {
    kernel: 'swiglu-quantize',
    name: 'the product of silu and up not rounded first',
    spec: 'swiglu',
    file: 'numerics/swiglu',
    replace: [
      [
        'product_of(g, vec4(sigmoid_bits(g), clamp_up(up, limit), weight, 0u), 0u,',
        'product_of(g, vec4(0u, float_mul(sigmoid_bits(g), clamp_up(up, limit)), weight, 0u), 1u,',
      ],
    ],
  },
  {
    kernel: 'swiglu-quantize',
    name: 'weights and slots of the first band',
    spec: 'swiglu-split',
    file: 'kernels/swiglu',
    replace: [['weight = weights[row];', 'weight = weights[0];']],
  },
];

/** Wrong variants of swiglu-backward. */
export const swigluBackward: readonly Mutant[] = [
  {
    kernel: 'swiglu-backward',
    name: 'gradients where the clamp cut',
    spec: 'swiglu-backward',
    file: 'numerics/swiglu',
    replace: [['of_gate && gate_is_clamped(gate, limit)', 'of_gate && gate_is_clamped(gate, limit) && limit == 0u']],
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
        'float_fma(select(ONE_BITS, gate, step == 1u), slope, ONE_BITS)',
        'float_add(float_mul(select(ONE_BITS, gate, step == 1u), slope), ONE_BITS)',
      ],
    ],
  },
  {
    kernel: 'swiglu-backward',
    name: 'the weight forgotten',
    spec: 'swiglu-backward',
    file: 'kernels/swiglu_gradients',
    replace: [['weight = weights[row];', 'weight = ONE_BITS + 0u * weights[row];']],
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

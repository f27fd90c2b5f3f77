import type { Backend } from '../../backends/backend.ts';
import type { Tier } from '../../kernels/kernel.ts';
import type { Arithmetic } from '../../numerics/arithmetic.ts';
import type { Scheme } from '../../numerics/scheme.ts';
import { resolveSpec } from '../../specs/resolve.ts';
import type { GemmSpec } from '../../specs/types.ts';
import { dtypeOfFormat, type Tensor } from '../../tensors/tensor.ts';
import { dequantizeMatrix, type Operand, type ScaledProduct } from './fp8.ts';
import type { Matrix } from './matrix.ts';
import { multiplyF32 } from './simd.ts';

/**
 * Products of the dequantized operands, summed in f32 by this process: the same codes and scales as on a tensor core, but its limited
 * accumulation and its promotion are not modelled.
 */
export function hostProduct(): ScaledProduct {
  // Weights come back with every product of their step.
  const known = new WeakMap<Operand, Matrix>();
  const valuesOf = (operand: Operand): Matrix => {
    let values = known.get(operand);
    if (values === undefined) {
      values = dequantizeMatrix(operand);
      known.set(operand, values);
    }
    return values;
  };
  return async (a, b) => multiplyF32(valuesOf(a), valuesOf(b), 'nt');
}

/**
 * Products as gemm specs on a backend: `native:host` and `native:cuda` give the bits of the arithmetic's tensor core, WebGPU's fast tier sums in
 * the adapter's own f32.
 */
export function backendProduct(backend: Backend, arithmetic: Arithmetic, tier: Tier): ScaledProduct {
  const template = templateSpec();
  return async (a, b) => {
    const [m, k] = a.codes.shape as [number, number];
    const n = b.codes.shape[0]!;
    const spec: GemmSpec = {
      ...template,
      shape: { m, n, k },
      a: operandOf(template.a, a.scheme),
      b: operandOf(template.b, b.scheme),
      arithmetic,
      output: 'f32',
    };
    const inputs = { a: a.codes, a_scales: a.scales, b: b.codes, b_scales: b.scales };
    const { tensors } = await backend.run(spec, { tier, inputs });
    return asMatrix(tensors.d!);
  };
}

/** A gemm whose operands are codes with scales; those of a run take the place of the generators. */
function templateSpec(): GemmSpec {
  const operand = {
    scheme: 'activation-1x128',
    codes: { generate: 'zero', dtype: 'e4m3' },
    scales: { generate: 'zero', dtype: 'f32' },
  };
  const shape = { m: 1, n: 1, k: 1 };
  return resolveSpec({ fp8lab: 1, kernel: 'gemm', name: 'training', shape, a: operand, b: operand }) as GemmSpec;
}

function operandOf(template: GemmSpec['a'], scheme: Scheme): GemmSpec['a'] {
  return { ...template, scheme, codes: { ...template.codes!, dtype: scheme.format } as GemmSpec['a']['codes'] };
}

function asMatrix({ dtype, shape, codes }: Tensor): Matrix {
  const [rows, columns] = shape as [number, number];
  if (dtype !== dtypeOfFormat.f32) throw new TypeError(`a product came back as ${dtype}`);
  return { rows, columns, values: new Float32Array(codes.buffer, codes.byteOffset, codes.length) };
}

import type { OwnedGpu } from '../../src/backends/webgpu/device.ts';
import { formatConstants } from '../../src/kernels/constants.ts';
import { alignedPlan, arithmeticUniforms, blockLayout, inFloats, packConstants } from '../../src/kernels/gemm/plan.ts';
import { singleRows } from '../../src/kernels/gemm/variants.ts';
import type { TensorCoreModel } from '../../src/numerics/arithmetic.ts';
import type { FormatName } from '../../src/numerics/formats.ts';
import type { Codes } from '../../src/tensors/tensor.ts';
import { gemmSpec, schemeOf } from './specs.ts';

/**
 * The bits of row i of a [rows, k] by row i of b, summed by a model on the device from accumulators c (zeros where there are none).
 * `asFloats` takes the kernel of exact floating point, for accumulators that such sums can have.
 * `gpu` knows shaders/fused_steps.wgsl of the tests as `test/fused_steps`.
 */
export async function fusedSteps(
  gpu: OwnedGpu,
  model: TensorCoreModel,
  formats: readonly [FormatName, FormatName],
  a: Codes,
  b: Codes,
  rows: number,
  k: number,
  c?: Uint32Array,
  asFloats = false,
): Promise<Uint32Array> {
  const [left, right] = formats.map((format) => schemeOf({ format }));
  const spec = gemmSpec({ shape: { m: rows, n: rows, k }, a: left, b: right, arithmetic: { model, promoteEvery: 0 } });
  const variant = asFloats ? inFloats(model, ...formats) : singleRows;
  const layout = blockLayout(spec.arithmetic, k, 'exact', variant.kPerWord);
  const plan = alignedPlan(spec, variant);
  const groups = Math.ceil(rows / 4);
  const packed = [a, b].map((codes, i) => {
    const operand = gpu.allocate(4 * groups * layout.rowWords * plan.operandWords);
    gpu.dispatch({
      shader: 'kernels/gemm_operand',
      entryPoint: 'pack_operand',
      constants: { ...formatConstants('INPUT', formats[i]!), ...packConstants(model, plan), PANEL: 1 },
      uniforms: [rows, k, layout.block, layout.blockWords, layout.rowWords, groups],
      buffers: [
        { buffer: gpu.upload(codes), access: 'read' },
        { buffer: operand, access: 'read_write' },
      ],
      threads: groups * layout.rowWords,
    });
    return operand;
  });
  const start = new Uint32Array(4 * groups);
  if (c !== undefined) start.set(c);
  const product = gpu.allocate(start.length);
  gpu.dispatch({
    shader: 'kernels/copy',
    entryPoint: 'copy_words',
    uniforms: [start.length],
    buffers: [
      { buffer: gpu.upload(start), access: 'read' },
      { buffer: product, access: 'read_write' },
    ],
    threads: start.length,
  });
  gpu.dispatch({
    shader: 'test/fused_steps',
    entryPoint: 'diagonal_steps',
    constants: { ...plan.constants, OPERAND_WORDS: plan.operandWords },
    substitutes: { ...plan.substitutes, ...(asFloats && { 'kernels/gemm_aligned': 'kernels/gemm_aligned_float' }) },
    uniforms: [
      groups,
      0,
      layout.rowWords,
      layout.blockWords,
      k,
      0,
      layout.rowWords,
      ...new Array(10).fill(1),
      ...arithmeticUniforms(spec),
    ],
    buffers: [
      { buffer: packed[0]!, access: 'read' },
      { buffer: packed[1]!, access: 'read' },
      { buffer: gpu.upload(new Uint32Array(1)), access: 'read' },
      { buffer: gpu.upload(new Uint32Array(1)), access: 'read' },
      { buffer: product, access: 'read_write' },
      { buffer: gpu.allocate(4), access: 'read_write' },
    ],
    threads: groups,
  });
  const bits = (await gpu.read(product)).slice(0, rows);
  return bits;
}

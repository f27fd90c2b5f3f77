import { readFileSync } from 'node:fs';
import { formatConstants } from '../../src/kernels/constants.ts';
import { blockLayout, packConstants, productPlan } from '../../src/kernels/gemm/plan.ts';
import type { TensorCoreModel } from '../../src/numerics/arithmetic.ts';
import type { FormatName } from '../../src/numerics/formats.ts';
import type { Codes } from '../../src/tensors/tensor.ts';
import { newGpu } from './gpu.ts';
import { testShader } from './shader.ts';
import { gemmSpec, schemeOf } from './specs.ts';

/** What real tensor cores returned; see test/data/tensor-core/README.md. */
export interface Recorded {
  readonly a: Uint8Array;
  readonly b: Uint8Array;
  readonly c: Uint32Array | undefined;
  readonly d: Uint32Array;
}

/** Reads a recorded file. */
export function recorded(device: 'h100' | 'l40s', format: 'e4m3' | 'e5m2'): Recorded {
  const file = readFileSync(new URL(`../data/tensor-core/${device}-${format}.safetensors`, import.meta.url));
  const length = Number(file.readBigUInt64LE(0));
  const header = JSON.parse(file.subarray(8, 8 + length).toString());
  const bytes = (name: string): Uint8Array => {
    const [begin, end] = header[name].data_offsets;
    return Uint8Array.from(file.subarray(8 + length + begin, 8 + length + end));
  };
  const c = header.c === undefined ? undefined : new Uint32Array(bytes('c').buffer);
  return { a: bytes('a'), b: bytes('b'), c, d: new Uint32Array(bytes('d').buffer) };
}

/** The bits of row i of a [rows, k] by row i of b, summed by a model on the device from accumulators c (zeros where there are none). */
export async function stepsOnGpu(
  model: TensorCoreModel,
  formats: readonly [FormatName, FormatName],
  a: Codes,
  b: Codes,
  rows: number,
  k: number,
  c?: Uint32Array,
): Promise<Uint32Array> {
  const gpu = newGpu({ shaders: { 'test/fused_steps': testShader('fused_steps') } });
  const [left, right] = formats.map((format) => schemeOf({ format }));
  const spec = gemmSpec({ shape: { m: rows, n: rows, k }, a: left, b: right, arithmetic: { model, promoteEvery: 0 } });
  const layout = blockLayout(spec.arithmetic, k, 'exact');
  const plan = productPlan(spec, layout, 'exact');
  const groups = Math.ceil(rows / 4);
  const packed = [a, b].map((codes, i) => {
    const operand = gpu.allocate(4 * groups * layout.rowWords);
    gpu.dispatch({
      shader: 'kernels/gemm_operand',
      entryPoint: 'pack_operand',
      constants: { ...formatConstants('INPUT', formats[i]!), ...packConstants(model, plan) },
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
    constants: plan.constants,
    substitutes: plan.substitutes,
    uniforms: [groups, 0, layout.rowWords, layout.blockWords, k, 0, layout.rowWords, ...new Array(10).fill(1)],
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
  await gpu.destroyRun();
  return bits;
}

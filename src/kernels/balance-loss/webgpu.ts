import type { Gpu } from '../../backends/webgpu/gpu.ts';
import { bitsOf } from '../../numerics/f32.ts';
import type { BalanceLossSpec } from '../../specs/types.ts';
import type { Tensors } from '../../tensors/tensor.ts';
import { rowBands, uploadBand } from '../bands.ts';
import { gateWebGpu } from '../gate/webgpu.ts';
import { widen } from '../quantize/reference.ts';
import { requireTensor } from '../tiles.ts';
import { together } from '../together.ts';
import { countedGate } from './spec.ts';

/** Tokens whose shares one thread sums. */
const chunk = 256;

/** The same on a device: the gate's choices, then the shares of the scores, then the loss. */
export async function balanceLossWebGpu(gpu: Gpu, spec: BalanceLossSpec, inputs: Tensors): Promise<Tensors> {
  const { tokens, experts } = spec.shape;
  const routed = await gateWebGpu(gpu, countedGate(spec), inputs, 'exact');
  const logits = widen(requireTensor(inputs, 'logits'));
  // Sums of shares over all tokens so far: two words an expert.
  const units = gpu.allocate(2 * experts, 'zero');
  for (const band of rowBands(gpu, 0, tokens, 4 * experts)) {
    const part = uploadBand(gpu, logits, experts, band);
    const shares = gpu.allocate(band.rows * experts);
    const gaps = uploadBand(gpu, routed.near_ties!.codes, 1, band);
    const chunks = Math.ceil(band.rows / chunk);
    const sums = gpu.allocate(2 * chunks * experts);
    gpu.dispatch({
      shader: 'kernels/balance_shares',
      entryPoint: 'share_scores',
      constants: { SCORE: spec.score === 'sigmoid' ? 0 : 2 },
      uniforms: [band.rows, experts],
      buffers: [
        { buffer: part, access: 'read' },
        { buffer: gaps, access: 'read' },
        { buffer: shares, access: 'read_write' },
      ],
      threads: band.rows,
    });
    gpu.dispatch({
      shader: 'kernels/balance_sums',
      entryPoint: 'sum_chunks',
      constants: { CHUNK: chunk },
      uniforms: [band.rows, experts, chunks],
      buffers: [
        { buffer: shares, access: 'read' },
        { buffer: sums, access: 'read_write' },
        { buffer: units, access: 'read_write' },
      ],
      threads: chunks * experts,
    });
    gpu.dispatch({
      shader: 'kernels/balance_sums',
      entryPoint: 'sum_band',
      constants: { CHUNK: chunk },
      uniforms: [band.rows, experts, chunks],
      buffers: [
        { buffer: shares, access: 'read' },
        { buffer: sums, access: 'read_write' },
        { buffer: units, access: 'read_write' },
      ],
      threads: experts,
    });
    for (const buffer of [part, shares, gaps, sums]) gpu.release(buffer);
  }
  const [loss, f, p] = [gpu.allocate(1), gpu.allocate(experts), gpu.allocate(experts)];
  const refused = routed.near_ties!.codes.some((gap) => gap > 0x7f800000);
  const shared = {
    shader: 'kernels/balance_loss',
    uniforms: [experts, bitsOf(spec.topk * tokens), bitsOf(tokens), bitsOf(spec.alpha), refused ? 1 : 0],
    buffers: [
      { buffer: units, access: 'read' },
      { buffer: gpu.upload(routed.load!.codes), access: 'read' },
      { buffer: f, access: 'read_write' },
      { buffer: p, access: 'read_write' },
      { buffer: loss, access: 'read_write' },
    ],
  } as const;
  gpu.dispatch({ ...shared, entryPoint: 'relate_counts', threads: experts });
  gpu.dispatch({ ...shared, entryPoint: 'sum_loss', threads: 1 });
  const first = async (buffer: typeof f, count: number) => (await gpu.read(buffer)).slice(0, count);
  const results = await together([first(loss, 1), first(f, experts), first(p, experts)]);
  return {
    loss: { dtype: 'F32', shape: [1], codes: results[0] },
    f: { dtype: 'F32', shape: [experts], codes: results[1] },
    p: { dtype: 'F32', shape: [experts], codes: results[2] },
  };
}

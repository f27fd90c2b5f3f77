import type { Gpu } from '../../backends/webgpu/gpu.ts';
import { bitsOf } from '../../numerics/f32.ts';
import type { LoadStatisticsSpec } from '../../specs/types.ts';
import type { Tensors } from '../../tensors/tensor.ts';
import { rowBands, uploadBand } from '../bands.ts';
import { integers } from '../indices.ts';
import { together } from '../together.ts';
import { loadStatisticsLanes } from './reference.ts';

/** The same on a device: slots counted by integer additions, whose order shows nowhere. */
export async function loadStatisticsWebGpu(gpu: Gpu, spec: LoadStatisticsSpec, inputs: Tensors): Promise<Tensors> {
  const { tokens, experts, topk } = spec.shape;
  const slots = loadStatisticsLanes(spec, inputs);
  const load = gpu.allocate(experts, 'zero');
  for (const band of rowBands(gpu, 0, tokens * topk, 4)) {
    const part = uploadBand(gpu, slots, 1, band);
    gpu.dispatch({
      shader: 'kernels/count_experts',
      entryPoint: 'count_experts',
      uniforms: [band.rows],
      buffers: [
        { buffer: part, access: 'read' },
        { buffer: load, access: 'read_write' },
      ],
      threads: band.rows,
    });
    gpu.release(part);
  }
  const fraction = gpu.allocate(experts);
  const imbalance = gpu.allocate(1);
  gpu.dispatch({
    shader: 'kernels/load_statistics',
    entryPoint: 'relate_loads',
    uniforms: [experts, bitsOf(tokens * topk)],
    buffers: [
      { buffer: load, access: 'read' },
      { buffer: fraction, access: 'read_write' },
      { buffer: imbalance, access: 'read_write' },
    ],
    threads: experts,
  });
  const first = async (buffer: typeof load, count: number) => (await gpu.read(buffer)).slice(0, count);
  const results = await together([first(load, experts), first(fraction, experts), first(imbalance, 1)]);
  return {
    load: integers(results[0], [experts]),
    fraction: { dtype: 'F32', shape: [experts], codes: results[1] },
    imbalance: { dtype: 'F32', shape: [1], codes: results[2] },
  };
}

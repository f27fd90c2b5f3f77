import type { Gpu } from '../../backends/webgpu/gpu.ts';
import type { CombineSpec } from '../../specs/kernels/combine.ts';
import type { Tensors } from '../../tensors/tensor.ts';
import { returned, trafficTensors } from '../dispatch/traffic.ts';
import { trafficOnDevice } from '../dispatch/webgpu.ts';
import { NOWHERE } from '../indices.ts';
import type { Tier } from '../kernel.ts';
import { sumSlotsOnDevice } from '../unpermute/webgpu.ts';
import { combineOperands, messageBytes, wayBack } from './reference.ts';

/** Sums the rows of every token's experts on a device, level by level. */
export async function combineWebGpu(gpu: Gpu, spec: CombineSpec, inputs: Tensors, tier: Tier): Promise<Tensors> {
  const operands = combineOperands(spec, inputs);
  const { slotRank } = operands;
  const levels =
    spec.reduce === 'none' ? undefined : { slotRank, perNode: spec.reduce === 'node' ? spec.gpusPerNode : NOWHERE };
  const ranks = gpu.upload(slotRank);
  const traffic = await trafficOnDevice(gpu, spec, { slots: ranks, perRank: 1 }, wayBack(spec));
  gpu.release(ranks);
  return {
    x: await sumSlotsOnDevice(gpu, operands, 'bf16', tier, levels),
    ...trafficTensors(spec, returned(traffic), messageBytes(spec)),
  };
}

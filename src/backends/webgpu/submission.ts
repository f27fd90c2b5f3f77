import { type Dispatch, workgroupSize } from './gpu.ts';
import { resourceOf } from './resources.ts';

/** The standard's flag values, for Node has no global GPUBufferUsage. */
const usage = { COPY_DST: 0x08, UNIFORM: 0x40 } as const;

/** A dispatch with what it runs on. */
export interface CompiledDispatch {
  readonly dispatch: Dispatch;
  readonly pipeline: GPUComputePipeline;
  readonly layout: GPUBindGroupLayout;
}

/** Two timestamps, around a pass, and where they are resolved to. */
export interface Stamps {
  readonly querySet: GPUQuerySet;
  readonly buffer: GPUBuffer;
}

/** Submits dispatches as one pass, in their order, `count` times over. */
export function submit(
  device: GPUDevice,
  compiled: readonly CompiledDispatch[],
  count = 1,
  stamps: Stamps | undefined = undefined,
): void {
  const bound = compiled.map(({ dispatch, pipeline, layout }) => ({ pipeline, ...bind(device, dispatch, layout) }));
  const encoder = device.createCommandEncoder();
  const pass = encoder.beginComputePass(
    stamps && {
      timestampWrites: { querySet: stamps.querySet, beginningOfPassWriteIndex: 0, endOfPassWriteIndex: 1 },
    },
  );
  for (let i = 0; i < count; i++) {
    for (const { pipeline, group, size } of bound) {
      pass.setPipeline(pipeline);
      pass.setBindGroup(0, group);
      pass.dispatchWorkgroups(...size);
    }
  }
  pass.end();
  if (stamps !== undefined) encoder.resolveQuerySet(stamps.querySet, 0, 2, stamps.buffer, 0);
  device.queue.submit([encoder.finish()]);
  for (const { uniforms } of bound) uniforms.destroy();
}

function bind(device: GPUDevice, dispatch: Dispatch, layout: GPUBindGroupLayout) {
  const bytes = Math.max(16 * Math.ceil(dispatch.uniforms.length / 4), 16);
  const uniforms = device.createBuffer({ size: bytes, usage: usage.UNIFORM | usage.COPY_DST });
  device.queue.writeBuffer(uniforms, 0, Uint32Array.from(dispatch.uniforms));
  const resources = [{ buffer: uniforms }, ...dispatch.buffers.map(resourceOf)];
  const entries = resources.map((resource, binding) => ({ binding, resource }));
  const group = device.createBindGroup({ layout, entries });
  return { uniforms, group, size: workgroups(dispatch.threads, device.limits.maxComputeWorkgroupsPerDimension) };
}

/** Workgroups along x and y for a number of threads; rounded up, the shader guards the tail. */
export function workgroups(threads: number, most: number): [number, number] {
  const groups = Math.max(Math.ceil(threads / workgroupSize), 1);
  const y = Math.ceil(groups / most);
  return [Math.ceil(groups / y), y];
}

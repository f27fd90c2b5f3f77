import type { Dispatch } from './gpu.ts';
import { type CompilerMessage, compileError, type LinkedShader } from './link.ts';

/** Pipelines live as long as their device, whichever Gpu made them. */
const pipelines = new WeakMap<GPUDevice, PipelineCache>();

/** The pipelines of a device. */
export function pipelinesOf(device: GPUDevice): PipelineCache {
  const cache = pipelines.get(device) ?? new PipelineCache();
  pipelines.set(device, cache);
  return cache;
}

/** The pipelines of a device, each compiled once, and how long compiling took. */
export class PipelineCache {
  readonly #compiled = new Map<string, Promise<GPUComputePipeline>>();
  #running = 0;
  #since = 0;
  #spent = 0;

  get(key: string, compile: () => Promise<GPUComputePipeline>): Promise<GPUComputePipeline> {
    let pipeline = this.#compiled.get(key);
    if (pipeline === undefined) {
      pipeline = this.#timed(compile);
      this.#compiled.set(key, pipeline);
      // A failed compile must not stay in the cache: the driver may have been short of memory.
      pipeline.catch(() => this.#compiled.delete(key));
    }
    return pipeline;
  }

  get milliseconds(): number {
    return this.#spent + (this.#running > 0 ? performance.now() - this.#since : 0);
  }

  async #timed<T>(work: () => Promise<T>): Promise<T> {
    if (this.#running++ === 0) this.#since = performance.now();
    try {
      return await work();
    } finally {
      if (--this.#running === 0) this.#spent += performance.now() - this.#since;
    }
  }
}

/** Compiles a dispatch's shader. Throws `shader-compile` with the line that the compiler refuses. */
export async function compile(
  device: GPUDevice,
  dispatch: Dispatch,
  linked: LinkedShader,
  layout: GPUBindGroupLayout,
): Promise<GPUComputePipeline> {
  device.pushErrorScope('validation');
  const module = device.createShaderModule({ code: linked.code, label: dispatch.shader });
  const refused = device.popErrorScope();
  const { messages } = await module.getCompilationInfo();
  const error = await refused;
  const errors: CompilerMessage[] = messages.filter((message) => message.type === 'error');
  if (error !== null && errors.length === 0) errors.push({ message: error.message, lineNum: 0, linePos: 0 });
  if (errors.length > 0) throw compileError(dispatch.shader, linked, errors);
  return device.createComputePipelineAsync({
    label: labelOf(dispatch),
    layout: device.createPipelineLayout({ bindGroupLayouts: [layout] }),
    compute: { module, entryPoint: dispatch.entryPoint },
  });
}

/** A dispatch in messages: `kernels/amax:tile_amax`. */
export function labelOf({ shader, entryPoint }: Dispatch): string {
  return `${shader}:${entryPoint}`;
}

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

type Compile = () => Promise<GPUComputePipeline>;

/** Pipelines that are compiled aside at the same time: one in the driver, one on its way there. */
const aside = 2;

/** The pipelines of a device, each compiled once. */
export class PipelineCache {
  readonly #compiled = new Map<string, Promise<GPUComputePipeline>>();
  /** To be compiled while nobody waits for others, in this order. */
  readonly #wanted = new Map<string, Compile>();
  #running = 0;

  /** A pipeline that a run waits for: compiled at once if it is not there. */
  get(key: string, compile: Compile): Promise<GPUComputePipeline> {
    this.#wanted.delete(key);
    return this.#compiled.get(key) ?? this.#start(key, compile);
  }

  /** Has a pipeline compiled that some later run will want. A failure is that run's to meet. */
  prepare(key: string, compile: Compile): void {
    if (this.#compiled.has(key)) return;
    this.#wanted.set(key, compile);
    this.#next();
  }

  #start(key: string, compile: Compile): Promise<GPUComputePipeline> {
    this.#running++;
    const pipeline = compile();
    this.#compiled.set(key, pipeline);
    pipeline
      // A failed compile must not stay in the cache: the driver may have been short of memory.
      .catch(() => this.#compiled.delete(key))
      .finally(() => {
        this.#running--;
        this.#next();
      });
    return pipeline;
  }

  #next(): void {
    for (const [key, compile] of this.#wanted) {
      if (this.#running >= aside) return;
      this.#wanted.delete(key);
      this.#start(key, compile);
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

// The workbench's own device: a shader that runs away costs this worker and nothing else.
import { requestDevice } from '../../../backends/webgpu/adapter.ts';
import { createGpu } from '../../../backends/webgpu/device.ts';
import { type RunShaders, shadersOf } from '../../../backends/webgpu/dry-run.ts';
import type { Dispatch } from '../../../backends/webgpu/gpu.ts';
import { type ShaderSources, shaderSources } from '../../../backends/webgpu/link.ts';
import { kernelOf } from '../../../kernels/index.ts';
import { materializeInputs } from '../../../kernels/inputs.ts';
import type { ResolvedSpec } from '../../../specs/types.ts';
import type { Tensors } from '../../../tensors/tensor.ts';
import { type Handlers, serve } from '../../services/serve.ts';
import { guardLoops, guardPath, guardSource } from './loop-guard.ts';

/** A spec with the shaders that stand in for shipped ones. */
export interface BenchRequest {
  readonly spec: ResolvedSpec;
  readonly shaders: ShaderSources;
  readonly guard: boolean;
  /** Timed runs after the first one. */
  readonly repeats: number;
}

/** Results of the first run, and the milliseconds of the others. */
export interface BenchResult {
  readonly tensors: Tensors;
  /** First run: pipelines are compiled in it. */
  readonly first: number;
  readonly times: readonly number[];
  /** Entry files that were dispatched, with their entry points. */
  readonly dispatched: readonly string[];
}

/** Jobs of the workbench worker. */
export type BenchJobs = {
  readonly sources: { readonly input: undefined; readonly output: ShaderSources };
  /** What a spec dispatches here, found without running it. */
  readonly shaders: { readonly input: ResolvedSpec; readonly output: RunShaders };
  readonly bench: { readonly input: BenchRequest; readonly output: BenchResult; readonly progress: number };
  /** Gives the device of the run under way up. */
  readonly lose: { readonly input: undefined; readonly output: undefined };
  /** Whether the GPU still answers: a device, and an empty piece of work. */
  readonly alive: { readonly input: undefined; readonly output: boolean };
};

const openDevice = async (): Promise<GPUDevice> => (await requestDevice(navigator.gpu)).device;

/** What the adapter has that shaders are chosen by; nothing where there is none. */
async function featuresHere(): Promise<readonly string[]> {
  try {
    const device = await openDevice();
    const features = [...device.features];
    device.destroy();
    return features;
  } catch {
    return [];
  }
}

/** Past this no further timed run is begun. */
const enough = 2000;

/** The device of the run under way. */
let benched: GPUDevice | undefined;

const handlers: Handlers<BenchJobs> = {
  sources: () => shaderSources,
  shaders: async (spec) => shadersOf(spec, { features: await featuresHere() }),
  lose() {
    benched?.destroy();
    return undefined;
  },
  async alive() {
    const device = await openDevice();
    device.queue.submit([device.createCommandEncoder().finish()]);
    await device.queue.onSubmittedWorkDone();
    device.destroy();
    return true;
  },
  async bench({ spec, shaders, guard, repeats }, tell) {
    const kernel = kernelOf(spec);
    const inputs = materializeInputs(kernel.inputs(spec));
    const guarded = guard
      ? Object.fromEntries(Object.entries(shaders).map(([path, text]) => [path, guardLoops(text)]))
      : shaders;
    const device = await openDevice();
    benched = device;
    const dispatched = new Set<string>();
    const run = async (): Promise<{ tensors: Tensors; time: number }> => {
      const gpu = createGpu(device, { shaders: { ...guarded, [guardPath]: guardSource } });
      const dispatch = gpu.dispatch.bind(gpu);
      gpu.dispatch = (what: Dispatch) => {
        dispatched.add(`${what.shader}.wgsl: ${what.entryPoint}`);
        dispatch(what);
      };
      const started = performance.now();
      try {
        return { tensors: await kernel.webgpu(gpu, spec, inputs, 'exact'), time: performance.now() - started };
      } finally {
        await gpu.destroyRun();
      }
    };
    try {
      const { tensors, time: first } = await run();
      const times: number[] = [];
      const started = performance.now();
      while (times.length < repeats && (times.length < 3 || performance.now() - started < enough)) {
        times.push((await run()).time);
        tell(times.length / repeats);
      }
      return { tensors, first, times, dispatched: [...dispatched] };
    } finally {
      benched = undefined;
      device.destroy();
    }
  },
};

serve(handlers, ['lose']);

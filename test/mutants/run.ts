import type { Gpu } from '../../src/backends/webgpu/gpu.ts';
import { shaderSources } from '../../src/backends/webgpu/link.ts';
import { kernelOf } from '../../src/kernels/index.ts';
import type { Tensors } from '../../src/tensors/tensor.ts';
import { newGpu } from '../helpers/gpu.ts';
import type { Mutant } from './mutant.ts';
import { type MutantSpec, type MutantSpecName, mutantSpecs } from './specs.ts';

export const specOf = (name: MutantSpecName): MutantSpec => mutantSpecs[name];

/** The mutant's source; a text that does not occur exactly once means that the mutant has outlived its shader. */
function mutated({ file, replace = [] }: Mutant): Record<string, string> {
  if (file === undefined) return {};
  let source = shaderSources[file];
  if (source === undefined) throw new Error(`no shader ${file}`);
  for (const [find, by] of replace) {
    if (source.split(find).length !== 2)
      throw new Error(`${file} has the text ${source.split(find).length - 1} times: ${find}`);
    source = source.replace(find, () => by);
  }
  return { [file]: source };
}

/** A Gpu whose dispatches have the mutant's constants and parameters. */
function meddled(gpu: Gpu, { constants = {}, parameter }: Mutant): { gpu: Gpu; touched: () => boolean } {
  let touched = constants === undefined && parameter === undefined;
  const dispatch: Gpu['dispatch'] = (work) => {
    const changed = Object.fromEntries(Object.entries(constants).filter(([name]) => name in (work.constants ?? {})));
    const uniforms = [...work.uniforms];
    if (parameter?.shader === work.shader)
      uniforms[parameter.to] = 'from' in parameter ? uniforms[parameter.from]! : parameter.value;
    touched ||= Object.keys(changed).length > 0 || parameter?.shader === work.shader;
    gpu.dispatch({ ...work, constants: { ...work.constants, ...changed }, uniforms });
  };
  const wrapped: Gpu = {
    limits: gpu.limits,
    variants: gpu.variants,
    taken: gpu.taken,
    has: (feature) => gpu.has(feature),
    upload: (lanes) => gpu.upload(lanes),
    texels: (width, height) => gpu.texels(width, height),
    allocate: (words, fill) => gpu.allocate(words, fill),
    read: (buffer) => gpu.read(buffer),
    release: (buffer) => gpu.release(buffer),
    dispatch,
  };
  return { gpu: wrapped, touched: () => touched };
}

/** What the device gives on a spec, of the shaders as they are or of a mutant. */
export async function resultOf(name: MutantSpecName, mutant?: Mutant): Promise<Tensors> {
  const { spec, inputs, maxBindingBytes } = specOf(name);
  const gpu = newGpu({
    ...(maxBindingBytes === undefined ? {} : { maxBindingBytes }),
    shaders: mutant === undefined ? {} : mutated(mutant),
  });
  try {
    const surface = mutant === undefined ? { gpu, touched: () => true } : meddled(gpu, mutant);
    const given = mutant?.tensors?.(inputs) ?? inputs;
    const got = await kernelOf(spec).webgpu(surface.gpu, spec, given, 'exact');
    if (mutant?.file === undefined && mutant?.tensors === undefined && !surface.touched())
      throw new Error('the mutant changed nothing');
    return got;
  } finally {
    await gpu.destroyRun();
  }
}

// A kernel on the page's WebGPU device; without one, the reference alone, and the page says so.
import { compareResults, createGpu, kernelOf, materializeInputs, requestDevice, resolveSpec } from '../../src/index.ts';

const spec = resolveSpec({
  fp8lab: 1,
  kernel: 'gemm',
  name: 'example',
  shape: { m: 16, n: 32, k: 512 },
  a: { scheme: 'activation-1x128-pow2', input: { generate: 'normal', seed: 1 } },
  b: { scheme: 'weight-128x128-pow2', input: { generate: 'normal', seed: 2 } },
});
const outcome = document.querySelector('#outcome') as HTMLElement;
const kernel = kernelOf(spec);
const inputs = materializeInputs(kernel.inputs(spec));
const expected = kernel.reference(spec, inputs);

try {
  const { device, adapter } = await requestDevice(navigator.gpu, 'auto');
  const actual = await kernel.webgpu(createGpu(device), spec, inputs, 'exact');
  const { mismatches, elements } = compareResults(spec, expected, actual);
  outcome.textContent = `${adapter.description || adapter.vendor}: ${mismatches} of ${elements} elements differ from the reference`;
} catch (error) {
  outcome.textContent = `No WebGPU here (${(error as Error).message}); the reference gave ${expected.d?.codes.length} elements.`;
}

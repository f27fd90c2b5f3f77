// A kernel on Deno's own WebGPU device, held against the reference bit for bit.
// Outside this checkout: import from 'npm:fp8lab'.
import {
  compareResults,
  createGpu,
  kernelOf,
  materializeInputs,
  requestDevice,
  resolveSpec,
} from '../../dist/index.js';

const spec = resolveSpec({
  fp8lab: 1,
  kernel: 'gemm',
  name: 'example',
  shape: { m: 16, n: 32, k: 512 },
  a: { scheme: 'activation-1x128-pow2', input: { generate: 'normal', seed: 1 } },
  b: { scheme: 'weight-128x128-pow2', input: { generate: 'normal', seed: 2 } },
});
const kernel = kernelOf(spec);
const inputs = materializeInputs(kernel.inputs(spec));

const { device, adapter } = await requestDevice(navigator.gpu, 'auto');
const gpu = createGpu(device);
const actual = await kernel.webgpu(gpu, spec, inputs, 'exact');
const comparison = compareResults(spec, kernel.reference(spec, inputs), actual);
console.log(
  `${adapter.description || adapter.vendor}: ${comparison.mismatches} of ${comparison.elements} elements differ`,
);
device.destroy();

// The layer on the page's WebGPU device; without one, the page says so.
import * as fp8lab from '../../src/index.ts';
import { runLayer } from './layer.mjs';

const outcome = document.querySelector('#outcome') as HTMLElement;
try {
  const { device } = await fp8lab.requestDevice(navigator.gpu, 'auto');
  const gpu = fp8lab.createGpu(device);
  const compute = (spec: fp8lab.ResolvedSpec, inputs: fp8lab.Tensors) =>
    fp8lab.kernelOf(spec).webgpu(gpu, spec, inputs, 'exact');
  outcome.textContent = (await runLayer(fp8lab, compute)).join('\n');
} catch (error) {
  outcome.textContent = `No WebGPU here (${(error as Error).message}).`;
}

// The layer on Deno's own WebGPU device.
// Outside this checkout: import from 'npm:fp8lab'.
import * as fp8lab from '../../dist/index.js';
import { runLayer } from '../moe/layer.mjs';

const { device } = await fp8lab.requestDevice(navigator.gpu, 'auto');
const gpu = fp8lab.createGpu(device);
const compute = (spec: fp8lab.ResolvedSpec, inputs: fp8lab.Tensors) =>
  fp8lab.kernelOf(spec).webgpu(gpu, spec, inputs, 'exact');
for (const line of await runLayer(fp8lab, compute)) console.log(line);
device.destroy();

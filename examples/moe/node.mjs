// The layer on Node: the reference against WebGPU (Dawn), in a process of its own.
import * as fp8lab from 'fp8lab';
import { createBackend } from 'fp8lab/node';
import { runLayer } from './layer.mjs';

const backend = createBackend('webgpu:node');
try {
  const compute = async (spec, inputs) => (await backend.run(spec, inputs)).tensors;
  for (const line of await runLayer(fp8lab, compute)) console.log(line);
} finally {
  await backend.close();
}

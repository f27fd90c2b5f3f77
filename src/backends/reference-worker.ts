// A thread that runs the reference: dist/reference-worker.js.
import { parentPort } from 'node:worker_threads';
import type { ResolvedSpec } from '../specs/types.ts';
import type { Tensors } from '../tensors/tensor.ts';
import { runReference } from './reference.ts';
import { describeError } from './sent-error.ts';

/** Memory of the results, handed over instead of copied; views of one buffer name it once. */
function buffersOf(tensors: Tensors): ArrayBuffer[] {
  return [...new Set(Object.values(tensors).map(({ codes }) => codes.buffer as ArrayBuffer))];
}

parentPort?.on('message', ({ spec, inputs }: { spec: ResolvedSpec; inputs: Tensors | undefined }) => {
  try {
    const run = runReference(spec, inputs);
    parentPort?.postMessage({ run }, buffersOf(run.tensors));
  } catch (error) {
    parentPort?.postMessage({ error: describeError(error) });
  }
});

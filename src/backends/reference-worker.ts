// A thread that runs the reference: dist/reference-worker.js.
import { parentPort } from 'node:worker_threads';
import type { ResolvedSpec } from '../specs/types.ts';
import { buffersOf, type Tensors } from '../tensors/tensor.ts';
import { runReference } from './reference.ts';
import { describeError } from './sent-error.ts';

parentPort?.on('message', ({ spec, inputs }: { spec: ResolvedSpec; inputs: Tensors | undefined }) => {
  try {
    const run = runReference(spec, inputs);
    parentPort?.postMessage({ run }, buffersOf(run.tensors));
  } catch (error) {
    parentPort?.postMessage({ error: describeError(error) });
  }
});

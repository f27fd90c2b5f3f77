// Runs specs beside the page, so that the page stays responsive however slow the adapter is.
import { runReference } from '../backends/reference.ts';
import { describeError } from '../backends/sent-error.ts';
import { adapterName } from '../backends/webgpu/identify.ts';
import { runSpec } from '../backends/webgpu/run-spec.ts';
import { createSession } from '../backends/webgpu/session.ts';
import { compareResults } from '../parity/compare.ts';
import type { ResolvedSpec } from '../specs/types.ts';
import type { SpecOutcome, WorkerMessage } from './messages.ts';
import { quickSpecs } from './specs.ts';

const tell = (message: WorkerMessage) => postMessage(message);
const session = createSession({ runtime: navigator.userAgent, gpu: navigator.gpu, adapter: 'auto' });
const specs = quickSpecs();

function fail(what: string, error: unknown): void {
  const { message, fix } = describeError(error);
  tell({ kind: 'failed', what, message, fix });
}

async function runOne(spec: ResolvedSpec): Promise<SpecOutcome> {
  const actual = await runSpec(session, spec);
  const expected = runReference(spec);
  const { elements, mismatches } = compareResults(spec, expected.tensors, actual.tensors);
  const times = { webgpu: actual.times.kernel, reference: expected.times.kernel };
  return { kind: 'spec', spec: `${spec.kernel}/${spec.name}`, elements, mismatches, ...times };
}

async function runSpecs(): Promise<void> {
  for (const spec of specs) {
    try {
      tell(await runOne(spec));
    } catch (error) {
      fail(spec.name, error);
    }
  }
  tell({ kind: 'done' });
}

addEventListener('message', () => void runSpecs());

try {
  const { adapter } = await session.open();
  tell({ kind: 'adapter', adapter: adapterName(adapter), software: adapter.software, specs: specs.length });
} catch (error) {
  fail('WebGPU', error);
}

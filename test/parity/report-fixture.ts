import type { BackendIdentity, BackendName, RunTimes } from '../../src/backends/backend.ts';
import { kernelOf } from '../../src/kernels/index.ts';
import { materializeInputs } from '../../src/kernels/inputs.ts';
import { compareResults } from '../../src/parity/compare.ts';
import { digestTensors } from '../../src/parity/evidence.ts';
import type { ReportInput } from '../../src/parity/report.ts';
import type { Difference, ParityEntry } from '../../src/parity/suite.ts';
import type { LoadedSpec } from '../../src/specs/load.ts';
import { resolveSpec } from '../../src/specs/resolve.ts';
import type { GemmSpec, ResolvedSpec } from '../../src/specs/types.ts';
import type { Tensor, Tensors } from '../../src/tensors/tensor.ts';

const normal = (seed: number): object => ({ input: { generate: 'normal', seed, dtype: 'bf16' } });
const positive = (seed: number): object => ({ input: { generate: 'positive', seed, dtype: 'bf16' } });

function load(json: object): LoadedSpec {
  const spec = resolveSpec({ fp8lab: 1, ...json });
  return { label: `${spec.kernel}/${spec.name}`, path: `specs/${spec.kernel}/${spec.name}.json`, spec };
}

const gemm = load({
  kernel: 'gemm',
  name: 'positive-mean',
  description: 'Positive inputs, which a missing promotion biases',
  shape: { m: 96, n: 160, k: 512 },
  a: { scheme: 'activation-1x128-pow2', ...positive(1) },
  b: { scheme: 'weight-128x128-pow2', ...positive(2) },
  arithmetic: 'hopper-deepgemm',
  output: 'bf16',
});

const quantize = load({
  kernel: 'quantize',
  name: 'activation-1x128',
  description: 'Markup in a name must stay <script>alert(1)</script>',
  shape: { rows: 300, columns: 700 },
  x: normal(3),
  scheme: 'activation-1x128',
});

const equal = load({
  kernel: 'dequantize',
  name: 'weights',
  shape: { rows: 64, columns: 256 },
  x: { scheme: 'weight-128x128-pow2', ...normal(4) },
  output: 'bf16',
});

function reference({ spec }: LoadedSpec, computed: ResolvedSpec = spec): Tensors {
  return kernelOf(spec).reference(computed, materializeInputs(kernelOf(spec).inputs(spec)));
}

/** The same product with its promotion left out. */
function unpromoted(): Tensors {
  const spec = gemm.spec as GemmSpec;
  const { codes } = reference(gemm).d!;
  const wrong = reference(gemm, { ...spec, arithmetic: { ...spec.arithmetic, promoteEvery: 256 } }).d!;
  // Only a part of the matrix, as a kernel with one wrong tile would give it.
  const mixed = codes.map((code, i) => (i % 160 >= 64 && i < 64 * 160 ? wrong.codes[i]! : code));
  return { d: { ...wrong, codes: mixed } };
}

/** The same codes with a NaN, a wrong tile and a few last bits off. */
function offByBits(): Tensors {
  const right = reference(quantize);
  const codes = Uint8Array.from(right.codes!.codes);
  for (let i = 0; i < codes.length; i += 977) codes[i]! ^= 1;
  for (let row = 128; row < 160; row++) {
    for (let column = 256; column < 384; column++) codes[700 * row + column]! ^= 3;
  }
  codes[700 * 250 + 600] = 0x7f;
  return { ...right, codes: { ...right.codes!, codes } };
}

const times = (total: number): RunTimes => ({ total, inputs: total / 4, kernel: total / 2 });

const identity = (backend: BackendName, runtime: string, adapter: string, software: boolean): BackendIdentity => ({
  backend,
  runtime,
  adapter,
  software,
  details: adapter === '' ? {} : { driver: 'swiftshader-5.0.0', maxBufferSize: 2 ** 28, subgroups: true },
});

/** A made-up run: one comparison equal, two that differ, one failure, one backend that is not here. */
export async function sampleReport(change: Partial<ReportInput> = {}): Promise<ReportInput> {
  const specs = [quantize, equal, gemm];
  const entries: ParityEntry[] = [];
  const differences: Difference[] = [];
  const digests = new Map<string, Awaited<ReturnType<typeof digestTensors>>>();
  const tier = change.tier ?? 'exact';
  const elementsOf = (tensors: Tensors): number =>
    Object.values(tensors).reduce((sum: number, tensor: Tensor) => sum + tensor.codes.length, 0);
  for (const spec of specs) {
    const expected = reference(spec);
    digests.set(spec.label, await digestTensors(expected));
    const elements = elementsOf(expected);
    entries.push({ spec: spec.label, backend: 'reference', tier, elements, mismatches: 0, times: times(840) });
    for (const backend of ['webgpu:node', 'webgpu:deno'] as const) {
      const wrong =
        backend === 'webgpu:deno'
          ? expected
          : spec === gemm
            ? unpromoted()
            : spec === quantize
              ? offByBits()
              : expected;
      const comparison = compareResults(spec.spec, expected, wrong);
      const { mismatches } = comparison;
      entries.push({ spec: spec.label, backend, tier, elements, mismatches, times: times(1234), comparison });
      if (mismatches > 0) differences.push({ spec, backend, inputs: undefined, expected, actual: wrong, comparison });
    }
    const error = {
      kind: 'device',
      code: 'device-lost',
      message: 'the device was lost: <reset by the driver>',
      where: 'webgpu:chromium, dispatch kernels/gemm',
      fix: 'run again with --adapter software, or with a longer --timeout',
    };
    const chromium = { spec: spec.label, backend: 'webgpu:chromium' as const, tier, elements, mismatches: 0 };
    entries.push(
      spec === gemm
        ? { ...chromium, elements: 0, error }
        : { ...chromium, times: times(61_000), comparison: compareResults(spec.spec, expected, expected) },
    );
  }
  const software = 'SwiftShader Device (Subzero)';
  const identities = [
    identity('reference', 'node 20.20.2', '', false),
    identity('webgpu:node', 'node 20.20.2 (dawn)', software, true),
    identity('webgpu:deno', 'deno 2.9.6 (wgpu)', 'llvmpipe (LLVM 15.0.6, 256 bits)', true),
    identity('webgpu:chromium', 'Chrome/156.0.8078.73', software, true),
  ];
  return {
    run: { specs, identities, entries, differences },
    tier,
    absent: [
      {
        name: 'native:cuda',
        error: { code: 'no-device', message: 'no CUDA device is here', fix: 'run on a machine with a Hopper GPU' },
      },
    ],
    digests,
    date: new Date(Date.UTC(2026, 10, 24, 9, 30)),
    version: '0.1.0',
    command: 'fp8lab parity --report parity.html --backends webgpu:node,webgpu:deno,webgpu:chromium',
    machine: 'Linux x64, 2 cores, Node 20.20.2',
    seconds: 83.2,
    ...change,
  };
}

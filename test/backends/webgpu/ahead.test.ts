import { describe, expect, it } from 'vitest';
import { create } from 'webgpu';
import { Ahead } from '../../../src/backends/webgpu/ahead.ts';
import {
  type AheadThread,
  aheadThread,
  type Port,
  type PrepareRequest,
  Preparer,
  serveAhead,
} from '../../../src/backends/webgpu/ahead-thread.ts';
import type { OwnedGpu } from '../../../src/backends/webgpu/device.ts';
import type { Dispatch } from '../../../src/backends/webgpu/gpu.ts';
import { runSpec } from '../../../src/backends/webgpu/run-spec.ts';
import { createSession } from '../../../src/backends/webgpu/session.ts';
import { kernelOf } from '../../../src/kernels/index.ts';
import { materializeInputs } from '../../../src/kernels/inputs.ts';
import { resolveSpec } from '../../../src/specs/resolve.ts';
import type { ResolvedSpec } from '../../../src/specs/types.ts';
import type { Tensors } from '../../../src/tensors/tensor.ts';
import { describeGpu } from '../../helpers/gpu.ts';
import { mismatches } from '../../helpers/parity.ts';

const raw = (name: string, rows = 4) => ({
  fp8lab: 1,
  kernel: 'quantize',
  name,
  shape: { rows, columns: 256 },
  x: { input: 'normal' },
  scheme: 'mxfp8',
});
const quantize = (name: string, rows?: number): ResolvedSpec => resolveSpec(raw(name, rows));
const gemm = (m: number): ResolvedSpec => {
  const operand = (scheme: string) => ({ scheme, input: 'normal' });
  const [a, b] = [operand('activation-1x128-pow2'), operand('weight-128x128-pow2')];
  return resolveSpec({ fp8lab: 1, kernel: 'gemm', name: 'product', shape: { m, n: m, k: 256 }, a, b });
};
const [first, second, third] = ['first', 'second', 'third'].map((name) => quantize(name)) as [
  ResolvedSpec,
  ResolvedSpec,
  ResolvedSpec,
];
const inputsOf = (spec: ResolvedSpec): Tensors => materializeInputs(kernelOf(spec).inputs(spec as never));
const device = { limits: { maxBindingBytes: 2 ** 27, leastSubgroup: 4 }, features: [], variants: {} };

/** A Gpu that only takes note of what is to be compiled. */
function fakeGpu(variants: Record<string, string> = {}) {
  const compiled: Dispatch[] = [];
  const prepare = (dispatches: readonly Dispatch[]): void => {
    compiled.push(...dispatches);
  };
  const gpu = { limits: device.limits, device: { features: new Set() }, variants, prepare } as unknown as OwnedGpu;
  return { gpu, compiled };
}

/** The thread's work here and now, with what it was asked. */
function here(compiles = true) {
  const asked: PrepareRequest[] = [];
  const preparer = new Preparer();
  const thread: AheadThread = {
    prepare(request) {
      asked.push(request);
      return preparer.prepare(request);
    },
  };
  return { asked, host: { start: () => thread, compiles } };
}

const names = (asked: readonly PrepareRequest[]): string[] => asked.map(({ spec }) => spec.name);

describe('what is made ready', () => {
  it('goes to the spec that it was made for, once', async () => {
    const { asked, host } = here();
    const { gpu, compiled } = fakeGpu();
    const ahead = new Ahead(host);
    const other = quantize('other', 8);
    ahead.prepare([first, other], 'exact', gpu);
    ahead.prepare([first, other], 'exact', gpu);
    expect(names(asked)).toEqual(['first', 'other']);
    expect(await ahead.take(third)).toBeUndefined();
    expect(await ahead.take(other)).toEqual(inputsOf(other));
    expect(await ahead.take(other)).toBeUndefined();
    expect(await ahead.take(first)).toEqual(inputsOf(first));
    expect(compiled.length).toBeGreaterThan(0);
  });

  it('is let go where another run comes next', async () => {
    const { asked, host } = here();
    const { gpu } = fakeGpu();
    const ahead = new Ahead(host);
    ahead.prepare([first, second], 'exact', gpu);
    ahead.prepare([second, third], 'exact', gpu);
    expect(names(asked)).toEqual(['first', 'second', 'third']);
    expect(await ahead.take(first)).toBeUndefined();
    expect(await ahead.take(second)).toEqual(inputsOf(second));
  });

  it('ends at a bound of memory, and goes on when there is room again', async () => {
    const { asked, host } = here();
    const ahead = new Ahead({ ...host, start: () => ({ prepare: async (request) => void asked.push(request) }) });
    const { gpu } = fakeGpu();
    const large = [1, 2, 3].map((i) => quantize(`large-${i}`, 100 * 1024));
    ahead.prepare([...large, first], 'exact', gpu);
    expect(names(asked)).toEqual(['large-1', 'large-2']);
    await ahead.take(large[0]!);
    ahead.prepare([large[1]!, large[2]!, first], 'exact', gpu);
    expect(names(asked)).toEqual(['large-1', 'large-2', 'large-3', 'first']);
  });

  it('leaves inputs from files to whoever reads them', () => {
    const { asked, host } = here();
    const x = { input: { file: 'x.safetensors', tensor: 'x' } };
    const spec = resolveSpec({ ...raw('file'), x });
    new Ahead(host).prepare([spec, first], 'exact', fakeGpu().gpu);
    expect(names(asked)).toEqual(['first']);
  });

  it('has shaders only where they are compiled aside and known', () => {
    const product = gemm(4);
    const traits = (compiles: boolean, tier: 'exact' | 'fast', variants = {}): boolean => {
      const { asked, host } = here(compiles);
      new Ahead(host).prepare([product], tier, fakeGpu(variants).gpu);
      return asked[0]!.device !== undefined;
    };
    expect(traits(true, 'exact')).toBe(true);
    expect(traits(false, 'exact')).toBe(false);
    expect(traits(true, 'fast')).toBe(false);
    const tried = Object.fromEntries((kernelOf(product).families ?? []).map(({ name }) => [name, 'any']));
    expect(traits(true, 'fast', tried)).toBe(true);
  });

  it.each<[string, () => AheadThread]>([
    [
      'no thread starts',
      () => {
        throw new Error('no threads here');
      },
    ],
    ['its thread cannot', () => ({ prepare: async () => undefined })],
    ['its thread breaks', () => ({ prepare: () => Promise.reject(new Error('broken')) })],
  ])('is nothing where %s', async (_, start) => {
    const ahead = new Ahead({ start, compiles: true });
    ahead.prepare([first], 'exact', fakeGpu().gpu);
    expect(await ahead.take(first)).toBeUndefined();
  });

  it('is nothing where the device refuses its shaders', async () => {
    const { gpu } = fakeGpu();
    const refusing = {
      ...gpu,
      prepare: () => {
        throw new Error('refused');
      },
    };
    const ahead = new Ahead(here().host);
    ahead.prepare([first], 'exact', refusing);
    expect(await ahead.take(first)).toBeUndefined();
  });
});

/** Both ends of a line that hands copies over, as threads do. */
function line(): { readonly ours: Port; readonly theirs: Port; cut(): void } {
  let cut: () => void = () => {};
  const end = () => {
    let handler: (message: unknown) => void = () => {};
    return {
      hear: (message: unknown) => handler(message),
      onMessage: (to: typeof handler) => {
        handler = to;
      },
    };
  };
  const [a, b] = [end(), end()];
  const send =
    (to: typeof a) =>
    (message: unknown, transfer: Transferable[]): void => {
      const copy = structuredClone(message, { transfer });
      queueMicrotask(() => to.hear(copy));
    };
  const onFailure = (handler: () => void): void => {
    cut = handler;
  };
  return {
    ours: { send: send(b), onMessage: a.onMessage, onFailure },
    theirs: { send: send(a), onMessage: b.onMessage },
    cut: () => cut(),
  };
}

describe('the thread that makes ready', () => {
  it('names each pipeline once, whatever the runs', async () => {
    const preparer = new Preparer();
    const again = await preparer.prepare({ spec: quantize('again', 40), tier: 'exact', device });
    expect(again.dispatches.length).toBeGreaterThan(0);
    expect((await preparer.prepare({ spec: first, tier: 'exact', device })).dispatches).toEqual([]);
    expect((await new Preparer().prepare({ spec: first, tier: 'exact' })).dispatches).toEqual([]);
  });

  it('answers in order, and goes on after what it cannot do', async () => {
    const { ours, theirs } = line();
    serveAhead(theirs);
    const thread = aheadThread(ours);
    const wrong = { ...first, kernel: 'no such kernel' } as unknown as ResolvedSpec;
    const answers = await Promise.all(
      [first, wrong, second].map((spec) => thread.prepare({ spec, tier: 'exact', device })),
    );
    expect(answers.map((answer) => answer?.inputs)).toEqual([inputsOf(first), undefined, inputsOf(second)]);
  });

  it('leaves nobody waiting when it is gone', async () => {
    const { ours, cut } = line();
    const thread = aheadThread(ours);
    const waiting = thread.prepare({ spec: first, tier: 'exact' });
    cut();
    expect(await waiting).toBeUndefined();
    expect(await thread.prepare({ spec: first, tier: 'exact' })).toBeUndefined();
  });
});

describeGpu('a run that was made ready for', () => {
  const labels = ['quantize', 'gemm'] as const;
  const specs: Record<(typeof labels)[number], ResolvedSpec> = {
    quantize: first,
    gemm: gemm(16),
  };

  it.each(labels)('gives the same bits, with the inputs that were made: %s', async (label) => {
    const spec = specs[label];
    const { asked, host } = here();
    const session = createSession({ gpu: create([]), runtime: 'Node', adapter: 'auto', ahead: host });
    const before = await runSpec(session, second, 'exact', { next: [spec] });
    expect(mismatches(before.tensors, kernelOf(second).reference(second, inputsOf(second)))).toEqual([]);
    const { tensors } = await runSpec(session, spec, 'exact');
    expect(names(asked)).toEqual([spec.name]);
    expect(await session.ahead!.take(spec)).toBeUndefined();
    expect(mismatches(tensors, kernelOf(spec).reference(spec, inputsOf(spec)))).toEqual([]);
  });

  it('has its inputs from the thread', async () => {
    const others = inputsOf(resolveSpec({ ...raw('others'), x: { input: 'outlier-channels' } }));
    const thread: AheadThread = { prepare: async () => ({ inputs: others, dispatches: [] }) };
    const ahead = { start: () => thread, compiles: true };
    const session = createSession({ gpu: create([]), runtime: 'Node', adapter: 'auto', ahead });
    await runSpec(session, second, 'exact', { next: [first] });
    const { tensors } = await runSpec(session, first, 'exact');
    expect(mismatches(tensors, kernelOf(first).reference(first, others))).toEqual([]);
  });

  it('takes inputs that it is given, whatever was made', async () => {
    const session = createSession({ gpu: create([]), runtime: 'Node', adapter: 'auto', ahead: here().host });
    const given = inputsOf(resolveSpec({ ...raw('given'), x: { input: 'outlier-channels' } }));
    await runSpec(session, second, 'exact', { next: [first] });
    const { tensors } = await runSpec(session, first, 'exact', { given });
    expect(mismatches(tensors, kernelOf(first).reference(first, given))).toEqual([]);
  });

  it('is not made ready for where shaders are substituted', async () => {
    const { asked, host } = here();
    const session = createSession({ gpu: create([]), runtime: 'Node', adapter: 'auto', ahead: host });
    await runSpec(session, first, 'exact', { shaders: {}, next: [second] });
    expect(asked).toEqual([]);
  });
});

import { expect, it } from 'vitest';
import type { Backend, BackendName, RunOptions } from '../../src/backends/backend.ts';
import { createInlineReference, referenceIdentity } from '../../src/backends/reference.ts';
import { leaveOutCuda } from '../../src/cli/parity.ts';
import { Fp8labError } from '../../src/errors.ts';
import { runSuite } from '../../src/parity/suite.ts';
import type { LoadedSpec } from '../../src/specs/load.ts';
import { resolveSpec } from '../../src/specs/resolve.ts';

const load = (kernel: string, name: string, fields: object): LoadedSpec => ({
  label: `${kernel}/${name}`,
  path: '',
  spec: resolveSpec({ fp8lab: 1, kernel, name, ...fields }),
});
const quantize = (name: string): LoadedSpec =>
  load('quantize', name, { shape: { rows: 2, columns: 128 }, x: { input: 'normal' }, scheme: 'mxfp8' });
const product = load('gemm', 'product', {
  shape: { m: 2, n: 2, k: 128 },
  a: { scheme: 'activation-1x128-pow2', input: 'normal' },
  b: { scheme: 'weight-128x128-pow2', input: 'normal' },
});
const specs = [quantize('a'), quantize('b'), product, quantize('c')];

/** The reference under another name, with what it was asked; `fails` names a spec that it fails at. */
function backend(name: BackendName, fails?: string) {
  const reference = createInlineReference('test');
  const asked: { name: string; next: string[] }[] = [];
  const wrapped: Backend = {
    ...reference,
    name,
    async run(spec, options: RunOptions = {}) {
      asked.push({ name: spec.name, next: (options.next ?? []).map((each) => each.name) });
      if (spec.name === fails) throw new Error('fails');
      return { ...(await reference.run(spec, options)), identity: { ...referenceIdentity('test'), backend: name } };
    },
  };
  return { wrapped, asked };
}

it('tells every backend which specs come after, products first', async () => {
  const { wrapped, asked } = backend('webgpu:node');
  const run = await runSuite(specs, [createInlineReference('test'), wrapped]);
  expect(asked).toEqual([
    { name: 'product', next: ['a', 'b', 'c'] },
    { name: 'a', next: ['b', 'c'] },
    { name: 'b', next: ['c'] },
    { name: 'c', next: [] },
  ]);
  const labels = specs.flatMap(({ label }) => [label, label]);
  expect(run.entries.map(({ spec }) => spec)).toEqual(labels);
  expect(run.specs).toEqual(specs);
});

it('goes on after a spec that fails, which touches no other', async () => {
  const { wrapped, asked } = backend('webgpu:node', 'b');
  const run = await runSuite(specs, [createInlineReference('test'), wrapped]);
  expect(asked.map(({ name }) => name)).toEqual(['product', 'a', 'b', 'c']);
  const failed = run.entries.filter(({ error }) => error !== undefined);
  expect(failed.map(({ spec, backend: name }) => `${spec} ${name}`)).toEqual(['quantize/b webgpu:node']);
  expect(run.entries.filter(({ comparison }) => comparison?.equal)).toHaveLength(3);
});

it.each([
  ['eight runs at once, in order, where it queues them', true, 8],
  ['one run after the other where it does not', false, 1],
])('gives a backend %s', async (_, queues, most) => {
  const { wrapped, asked } = backend('webgpu:node');
  let on = 0;
  let seen = 0;
  const counting: Backend = {
    ...wrapped,
    queues,
    async run(spec, options) {
      on++;
      seen = Math.max(seen, on);
      await new Promise((done) => setTimeout(done, 5));
      return wrapped.run(spec, options).finally(() => on--);
    },
  };
  const many = Array.from({ length: 12 }, (_, i) => quantize(`q${i}`));
  const run = await runSuite(many, [createInlineReference('test'), counting]);
  expect(seen).toBe(most);
  expect(asked.map(({ name }) => name)).toEqual(many.map(({ spec }) => spec.name));
  expect(run.entries.filter(({ comparison }) => comparison?.equal)).toHaveLength(12);
});

it('leaves out specs whose kernel a backend lacks, unless it has none of those asked for', async () => {
  const { wrapped, asked } = backend('native:cuda');
  const lacking: Backend = { ...wrapped, has: ({ kernel }) => kernel !== 'gemm' };
  const run = await runSuite(specs, [createInlineReference('test'), lacking]);
  expect(asked.map(({ name }) => name)).toEqual(['a', 'b', 'c']);
  expect(run.entries.filter(({ spec }) => spec === 'gemm/product').map(({ backend: name }) => name)).toEqual([
    'reference',
  ]);
  await runSuite([product], [createInlineReference('test'), lacking]);
  expect(asked.at(-1)?.name).toBe('product');
});

it('goes on without a CUDA device that was not asked for and cannot be used, and says why', async () => {
  const error = new Fp8labError('it has compute capability 8.9', {
    kind: 'environment',
    code: 'wrong-cuda-device',
    where: 'native:cuda',
    fix: 'choose a Hopper GPU',
  });
  const { wrapped: host } = backend('native:host');
  const { wrapped: cuda } = backend('native:cuda');
  const refusing: Backend = { ...cuda, identify: () => Promise.reject(error) };
  expect(await leaveOutCuda({ backends: [host, refusing], absent: [] })).toEqual({
    backends: [host],
    absent: [{ name: 'native:cuda', error }],
  });
  expect((await leaveOutCuda({ backends: [host, cuda], absent: [] })).backends).toEqual([host, cuda]);
});

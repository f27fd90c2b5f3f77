import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import type { BackendIdentity } from '../../../src/backends/backend.ts';
import { cacheFolder, openVariantCache } from '../../../src/backends/webgpu/variant-cache.ts';
import { temporaryFolder } from '../../helpers/folder.ts';

const identity = (adapter: string): BackendIdentity => ({
  backend: 'webgpu:deno',
  runtime: 'deno',
  adapter,
  software: true,
  details: {},
});

function openCache(runner = 'a build') {
  const folder = temporaryFolder();
  const env = { XDG_CACHE_HOME: folder };
  const file = join(folder, 'runner.js');
  writeFileSync(file, runner);
  return { file, env, open: () => openVariantCache(file, env) };
}

it('remembers the variants of each adapter from one process to the next', () => {
  const { open } = openCache();
  open().set(identity('one'), { gemm: 'plain' });
  open().set(identity('two'), { gemm: 'other' });
  expect(open().get(identity('one'))).toEqual({ gemm: 'plain' });
  expect(open().get(identity('two'))).toEqual({ gemm: 'other' });
  expect(open().get(identity('three'))).toEqual({});
});

it('remembers each family beside those that it knows', () => {
  const { open } = openCache();
  open().set(identity('one'), { gemm: 'plain', gate: 'a' });
  open().set(identity('one'), { quantize: 'threads', gate: 'b' });
  expect(open().get(identity('one'))).toEqual({ gemm: 'plain', gate: 'b', quantize: 'threads' });
});

it('knows nothing after another build, whose shaders are others', () => {
  const { file, open } = openCache();
  open().set(identity('one'), { gemm: 'plain' });
  writeFileSync(file, 'another build');
  expect(open().get(identity('one'))).toEqual({});
});

it.each(['', 'no JSON', '[]', '{"x":3}', 'null'])('takes a spoilt file for an empty one: %j', (text) => {
  const { env, open } = openCache();
  open().set(identity('one'), { gemm: 'plain' });
  writeFileSync(join(cacheFolder(env), 'variants.json'), text);
  expect(open().get(identity('one'))).toEqual({});
  open().set(identity('one'), { gemm: 'plain' });
  expect(open().get(identity('one'))).toEqual({ gemm: 'plain' });
});

it('is no failure where nothing can be written', () => {
  const { file } = openCache();
  const cache = openVariantCache(file, { XDG_CACHE_HOME: file });
  cache.set(identity('one'), { gemm: 'plain' });
  expect(cache.get(identity('one'))).toEqual({});
});

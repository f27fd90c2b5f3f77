import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { shaderSources } from '../../src/backends/webgpu/link.ts';
import { runCli } from '../../src/cli/run-cli.ts';
import { readShaders } from '../../src/cli/shaders.ts';
import { recordedIo } from '../helpers/command-io.ts';

const shipped = shaderSources['kernels/quantize']!;
const change = (to: string): string => {
  const changed = shipped.replace('codes[word] = packed;', to);
  expect(changed).not.toBe(shipped);
  return changed;
};

const identity = { backend: 'webgpu:node', runtime: '', adapter: '', software: true, details: {} } as const;

let folder: string;
const file = (name: string) => join(folder, name);
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'fp8lab-shader-'));
  await writeFile(file('quantize.wgsl'), change('codes[word] = packed ^ 1u;'));
  await writeFile(file('broken.wgsl'), change('codes[word] = unheard;'));
  await writeFile(file('binary.wgsl'), Uint8Array.of(0xff, 0xfe));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

async function cli(line: string): Promise<{ code: number; out: string; err: string }> {
  const io = recordedIo();
  const { code } = await runCli(line.split(' '), io);
  return { code, out: io.out(), err: io.err() };
}

describe('--shader', () => {
  it('runs in place of the shipped shader of its name, and parity finds what it changed', async () => {
    const line = `parity quantize/edge-ragged --shader ${file('quantize.wgsl')} --backends webgpu:node --json`;
    const { code, out } = await cli(line);
    expect(code).toBe(1);
    const { results } = JSON.parse(out);
    const differing = results.find(({ backend }: { backend: string }) => backend === 'webgpu:node').mismatches;
    // One bit of every fourth code: 131 by 257, four to a word.
    expect(differing).toBe(Math.ceil((131 * 257) / 4));
  });

  it('tells what the compiler refuses at its line', async () => {
    const { code, err } = await cli(`run quantize/edge-ragged --shader kernels/quantize=${file('broken.wgsl')}`);
    expect(code).toBe(5);
    const line = shipped.split('\n').findIndex((text) => text.includes('codes[word] = packed;')) + 1;
    expect(err).toContain(`where: shaders/kernels/quantize.wgsl:${line}:`);
    expect(err).toContain('codes[word] = unheard;');
  });

  it('says when no run had the shader in it, and what the runs had', async () => {
    const given = await readShaders([file('quantize.wgsl')]);
    const run = { spec: '', tensors: {}, times: { total: 0, inputs: 0, kernel: 0 }, identity } as const;
    given.note({ ...run, shaders: ['kernels/gate_rank', 'numerics/exp'] });
    expect(() => given.requireUse()).toThrow('no run had shaders/kernels/quantize.wgsl in it');
    expect(() => given.requireUse()).toThrow(
      expect.objectContaining({
        code: 'shader-not-used',
        fix: expect.stringContaining('kernels/gate_rank, numerics/exp'),
      }),
    );
    given.note({ ...run, shaders: ['kernels/quantize'] });
    given.requireUse();
  });

  it.each([
    ['swiglu.wgsl', 'ambiguous-shader', /kernels\/swiglu=FILE or --shader numerics\/swiglu=FILE/],
    ['quantise.wgsl', 'no-such-shader', /PATH=FILE/],
    ['kernels/quantize=nowhere.wgsl', 'bad-shader-file', /WGSL file/],
    ['kernels/quantize=FOLDER/binary.wgsl', 'bad-shader-file', /WGSL file/],
  ])('refuses %s: %s', async (value, code, fix) => {
    const given = readShaders([value.replace('FOLDER', folder)]);
    await expect(given).rejects.toMatchObject({ code, fix: expect.stringMatching(fix) });
  });

  it('takes a shader once', async () => {
    const twice = [file('quantize.wgsl'), `kernels/quantize=${file('broken.wgsl')}`];
    await expect(readShaders(twice)).rejects.toMatchObject({ code: 'shader-given-twice' });
  });

  it.each([
    ['run quantize/edge-ragged --backend native:host', 'no backend here runs shaders'],
    ['parity quantize/edge-ragged --backends reference', 'no backend here runs shaders'],
    ['parity quantize/edge-ragged --record evidence', 'results of changed shaders are no evidence'],
  ])('%s cannot take it', async (line, words) => {
    const { code, err } = await cli(`${line} --shader ${file('quantize.wgsl')}`);
    expect(code).toBe(2);
    expect(err).toContain(words);
  });
});

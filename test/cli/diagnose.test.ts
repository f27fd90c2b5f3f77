import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { diagnosisText } from '../../src/cli/diagnosis-text.ts';
import { runCli } from '../../src/cli/run-cli.ts';
import { diagnose } from '../../src/diagnose/index.ts';
import { kernelOf } from '../../src/kernels/index.ts';
import { materializeInputs } from '../../src/kernels/inputs.ts';
import { resolveSpec } from '../../src/specs/resolve.ts';
import type { ResolvedSpec } from '../../src/specs/types.ts';
import { readTensors, writeTensors } from '../../src/tensors/files.ts';
import type { Tensor, Tensors } from '../../src/tensors/tensor.ts';
import { recordedIo } from '../helpers/command-io.ts';
import { temporaryFolder } from '../helpers/folder.ts';

async function fp8lab(...words: string[]): Promise<{ code: number; out: string; err: string }> {
  const io = recordedIo();
  const { code } = await runCli(words, io);
  return { code, out: io.out(), err: io.err() };
}

const input = { input: { generate: 'normal', seed: 1 } };
const gemm = {
  fp8lab: 1,
  kernel: 'gemm',
  name: 'small',
  shape: { m: 16, n: 24, k: 256 },
  a: { scheme: 'activation-1x128', ...input },
  b: { scheme: 'weight-128x128', input: { generate: 'normal', seed: 2 } },
  output: 'f32',
};
const quantize = {
  fp8lab: 1,
  kernel: 'quantize',
  name: 'tiles',
  shape: { rows: 16, columns: 512 },
  x: input,
  scheme: 'activation-1x128',
};

/** A folder with a spec, and a result of it as the reference gives it. */
async function given(authored: object): Promise<{ spec: string; result: string; path: (name: string) => string }> {
  const folder = temporaryFolder();
  const path = (name: string): string => join(folder, name);
  const spec = path('spec.json');
  writeFileSync(spec, JSON.stringify(authored));
  const result = path('result.safetensors');
  expect((await fp8lab('run', spec, '--out', result)).code).toBe(0);
  return { spec, result, path };
}

const changed = (tensor: Tensor, code: (code: number, i: number) => number): Tensor => ({
  ...tensor,
  codes: tensor.codes.map(code) as Tensor['codes'],
});

describe('fp8lab diagnose of results that say nothing', () => {
  it.each([
    ['another shape', (d: Tensor): Tensors => ({ d: { ...d, shape: [24, 16] } }), "the spec's is [16, 24]"],
    ['another dtype', (d: Tensor): Tensors => ({ d: { ...d, dtype: 'I32' } }), "the spec's is F32"],
    ['another name', (d: Tensor): Tensors => ({ out: d }), 'no tensor named d'],
    ['zeros alone', (d: Tensor): Tensors => ({ d: changed(d, () => 0) }), 'all 384 elements of d are zero'],
    ['NaN alone', (d: Tensor): Tensors => ({ d: changed(d, () => 0x7fc00000) }), 'all 384 elements of d are NaN'],
  ])('refuses %s with exit code 4, and says what is expected', async (_, make, words) => {
    const { spec, result, path } = await given(gemm);
    const wrong = path('wrong.safetensors');
    await writeTensors(wrong, make((await readTensors(result)).d!), {});
    const { code, out, err } = await fp8lab('diagnose', spec, '--actual', wrong);
    expect(code).toBe(4);
    expect(out).toBe('');
    expect(err).toContain(words);
  });

  it('refuses a spec that names no input, and one whose input is not there', async () => {
    const { result, path } = await given(gemm);
    const without = path('without.json');
    writeFileSync(without, JSON.stringify({ ...gemm, a: { scheme: 'activation-1x128' } }));
    const nothing = await fp8lab('diagnose', without, '--actual', result);
    expect([nothing.code, nothing.out]).toEqual([4, '']);
    expect(nothing.err).toContain('a');
    writeFileSync(
      without,
      JSON.stringify({ ...gemm, a: { scheme: 'activation-1x128', input: { file: path('none'), tensor: 'a' } } }),
    );
    const missing = await fp8lab('diagnose', without, '--actual', result);
    expect(missing.code).not.toBe(0);
    expect(missing.err).toContain(path('none'));
  });

  it('refuses inputs that lack an operand', async () => {
    const { spec, result, path } = await given(gemm);
    await writeTensors(path('some.safetensors'), { b: (await readTensors(result)).d! }, {});
    const { code, err } = await fp8lab('diagnose', spec, '--actual', result, '--inputs', path('some.safetensors'));
    expect(code).toBe(4);
    expect(err).toContain('no tensor named a');
  });
});

describe('fp8lab diagnose', () => {
  it('ends with 0 where the kernel did what the spec says', async () => {
    const { spec, result } = await given(quantize);
    const { code, out } = await fp8lab('diagnose', spec, '--actual', result);
    expect(code).toBe(0);
    expect(out).toContain('The kernel did what the spec says: every bit is equal.');
  });

  it('ends with 1 where nothing explains the result, and says so with the nearest rule', async () => {
    const { spec, result, path } = await given(quantize);
    const { codes, scales } = await readTensors(result);
    // No rule of quantization gives codes that count up.
    const made = changed(codes!, (_, i) => (i * 37) % 120);
    await writeTensors(path('odd.safetensors'), { codes: made, scales: scales! }, {});
    const text = await fp8lab('diagnose', spec, '--actual', path('odd.safetensors'), '--budget', '4');
    expect(text.code).toBe(1);
    expect(text.out).toMatch(/Nothing (I know|tried so far) explains/);
    expect(text.out).toContain('What it leaves over');
    expect(text.out).toContain('give them: --inputs FILE');
    const json = await fp8lab('diagnose', spec, '--actual', path('odd.safetensors'), '--budget', '4', '--json');
    expect(JSON.parse(json.out)).toMatchObject({ schemaVersion: 1, kernel: 'quantize' });
    expect(['unexplained', 'partly']).toContain(JSON.parse(json.out).verdict);
  });

  it('does not say that no rule is known where the time was up before all were tried', async () => {
    const { spec, path } = await given(gemm);
    const cut = { preset: 'activation-1x128', rounding: 'to-odd', format: 'e5m2' };
    writeFileSync(path('other.json'), JSON.stringify({ ...gemm, a: { ...gemm.a, scheme: cut } }));
    const [theirs, inputs] = [path('theirs.safetensors'), path('inputs.safetensors')];
    await fp8lab('run', path('other.json'), '--out', theirs);
    await writeTensors(inputs, materializeInputs(kernelOf(resolveSpec(gemm)).inputs(resolveSpec(gemm) as never)), {});
    const { code, out } = await fp8lab('diagnose', spec, '--actual', theirs, '--budget', '0.001');
    expect(code).toBe(1);
    expect(out).toMatch(/Nothing tried so far explains.*\n.*--budget gives it more time/);
    await fp8lab('run', spec, '--out', theirs);
    const equal = await fp8lab('diagnose', spec, '--actual', theirs, '--inputs', inputs, '--budget', '0.001');
    expect(equal.code).toBe(0);
    expect(equal.out).toContain('more rules may do the same');
  });

  it("says what the spec's own rule leaves over where another one comes nearer", async () => {
    const { spec, result, path } = await given(quantize);
    const { codes, scales } = await readTensors(result);
    const last = (columns: number, tile: number) => (code: number, i: number) => (i % columns < tile ? code : 0);
    const made = { codes: changed(codes!, last(512, 384)), scales: changed(scales!, last(4, 3)) };
    await writeTensors(path('cut.safetensors'), made, {});
    const { code, out } = await fp8lab('diagnose', spec, '--actual', path('cut.safetensors'));
    expect(code).toBe(1);
    expect(out).toMatch(
      /What the spec's own rule leaves over: 2,\d+ elements of codes\n {2}- all in columns 384 to 511/,
    );
  });

  it('claims no more of a sample than what was looked at', async () => {
    const own = resolveSpec({ ...quantize, shape: { rows: 2, columns: 128 } });
    const inputs = materializeInputs(kernelOf(own).inputs(own as never));
    const answer = diagnose(own, inputs, kernelOf(own).reference(own as never, inputs));
    const context = { label: 'q', name: 'q.json', actual: 'a.safetensors', inputs: 'i.safetensors', io: recordedIo() };
    expect(diagnosisText(answer, context)).toMatch(/every bit is equal\.\n(?!The other)/);
    const sampled = diagnosisText({ ...answer, elements: answer.compared + 1000 }, context);
    expect(sampled).toContain('every bit that was looked at is equal');
    expect(sampled).toContain('The other 1,000: fp8lab run q.json --inputs i.safetensors --out expected.safetensors');
    const explained = diagnosisText({ ...answer, elements: answer.compared + 1, verdict: 'explained' }, context);
    expect(explained).toContain('every bit that was looked at is explained');
  });

  it('says how to part tied rules with the inputs that were given', async () => {
    const { spec, result, path } = await given(quantize);
    const inputs = path('the inputs.safetensors');
    const own = resolveSpec(quantize);
    await writeTensors(inputs, materializeInputs(kernelOf(own).inputs(own as never)), {});
    const { out } = await fp8lab('diagnose', spec, '--actual', result, '--inputs', inputs);
    expect(out).toContain(`diagnose ${spec} --inputs '${inputs}' --actual ${result} --separate`);
  });

  it('offers inputs on which rules part that the given ones cannot tell apart', async () => {
    const { spec, path } = await given(quantize);
    const other = path('other.json');
    writeFileSync(other, JSON.stringify({ ...quantize, scheme: scheme({ recipe: 'reciprocal' }) }));
    const theirs = path('theirs.safetensors');
    await fp8lab('run', other, '--out', theirs);
    const probe = path('probe.safetensors');
    const { code, out } = await fp8lab('diagnose', spec, '--actual', theirs, '--separate', probe, '--json');
    expect(code).toBe(0);
    const { separation } = JSON.parse(out);
    expect(separation.outcomes).toBeGreaterThan(1);
    // The rule that was found and one that it was tied with, on the given inputs and on those that are offered.
    const floored = { ...quantize, scheme: scheme({ recipe: 'reciprocal', amaxFloor: 0 }) };
    const under = (authored: object, inputs: Tensors): string => resultsOf(authored, inputs);
    const own = resolveSpec(JSON.parse(readFileSync(other, 'utf8')));
    const before = await readTensors(theirs);
    const offered = await readTensors(probe);
    expect(Object.keys(offered)).toEqual(['x']);
    expect(own.kernel).toBe('quantize');
    expect(text(before)).toBe(text(await resultOf(path, floored)));
    expect(under(JSON.parse(readFileSync(other, 'utf8')), offered)).not.toBe(under(floored, offered));
  });

  it('reads its own inputs back: what could not be told apart is told then', async () => {
    const { spec, path } = await given(quantize);
    const floored = path('floored.json');
    writeFileSync(floored, JSON.stringify({ ...quantize, scheme: scheme({ recipe: 'reciprocal', amaxFloor: 0 }) }));
    const theirs = path('theirs.safetensors');
    const probe = path('probe.safetensors');
    await fp8lab('run', floored, '--out', theirs);
    await fp8lab('diagnose', spec, '--actual', theirs, '--separate', probe);
    await fp8lab('run', floored, '--inputs', probe, '--out', theirs);
    const { code, out } = await fp8lab('diagnose', spec, '--actual', theirs, '--inputs', probe, '--json');
    expect(code).toBe(0);
    expect(JSON.parse(out).candidates[0].convention).toMatchObject({ floor: '0' });
  });
});

const scheme = (scale: object): object => ({
  format: 'e4m3',
  tile: [1, 128],
  scale: { type: 'f32', ...scale },
});

const text = (tensors: Tensors): string =>
  Object.values(tensors)
    .map(({ codes }) => codes.join())
    .join(' ');

function resultsOf(authored: object, inputs: Tensors): string {
  const spec: ResolvedSpec = resolveSpec(authored);
  return text(kernelOf(spec).reference(spec, inputs));
}

async function resultOf(path: (name: string) => string, authored: object): Promise<Tensors> {
  writeFileSync(path('again.json'), JSON.stringify(authored));
  await fp8lab('run', path('again.json'), '--out', path('again.safetensors'));
  return readTensors(path('again.safetensors'));
}

describe('fp8lab trace --report', () => {
  it('writes a page with every operation and a picture of each aligned sum', async () => {
    const { spec, result, path } = await given(gemm);
    const page = path('element.html');
    const { code } = await fp8lab('trace', spec, '--element', '3,5', '--report', page);
    expect(code).toBe(0);
    const markup = readFileSync(page, 'utf8');
    const { codes } = (await readTensors(result)).d!;
    expect(markup).toContain('d[3, 5] of small');
    expect(markup).toContain(`0x${codes[3 * 24 + 5]!.toString(16).toUpperCase()}`);
    // Two blocks of 128 k, each four sums of 32 products: eight pictures, each told in words as well.
    const pictures = [...markup.matchAll(/<svg[^>]*role="img"[^>]*>/g)];
    expect(pictures).toHaveLength(8);
    for (const [picture] of pictures) expect(picture).toMatch(/aria-label="[^"]+"/);
    expect(markup).not.toMatch(/<script|https?:\/\/(?!www\.w3\.org)/);
  });
});

import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Io } from '../../src/cli/io.ts';
import { wantsColour } from '../../src/cli/io.ts';
import { runCli } from '../../src/cli/run-cli.ts';
import { readTensors, writeTensors } from '../../src/tensors/files.ts';
import type { Tensors } from '../../src/tensors/tensor.ts';

let folder = '';
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'fp8lab-cli-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

interface Outcome {
  code: number;
  out: string;
  err: string;
}

async function cli(args: string, signal = new AbortController().signal): Promise<Outcome> {
  let out = '';
  let err = '';
  const io: Io = {
    stdout: (text) => {
      out += text;
    },
    stderr: (text) => {
      err += text;
    },
    isTTY: false,
    env: {},
    signal,
  };
  const { code } = await runCli(args.split(' ').filter(Boolean), io);
  return { code, out, err };
}

const commands = [
  'parity',
  'run',
  'compare',
  'trace',
  'spec',
  'inspect',
  'quantize',
  'dequantize',
  'moe',
  'simulate',
  'doctor',
  'probe',
  'study',
  'playground',
];

describe('help and usage', () => {
  it.each(commands)('%s -h begins with examples and ends well', async (command) => {
    const { code, out } = await cli(`${command} -h`);
    expect(code).toBe(0);
    expect(out).toMatch(new RegExp(`^Examples:\n {2}\\$ fp8lab ${command}`));
    expect(out).toContain('Usage: fp8lab');
  });

  it.each(['resolve', 'list', 'presets', 'schema'])('spec %s -h begins with examples', async (name) => {
    const { code, out } = await cli(`spec ${name} -h`);
    expect(code).toBe(0);
    expect(out).toMatch(new RegExp(`^Examples:\n {2}\\$ fp8lab spec ${name}`));
  });

  it('help lists every command and the exit codes', async () => {
    const { code, out } = await cli('--help');
    expect(code).toBe(0);
    for (const command of commands) expect(out).toContain(`  ${command}`);
    expect(out).toContain('130 interrupted');
  });

  it('no command at all is a usage error that shows the help', async () => {
    expect(await cli('')).toMatchObject({ code: 2, out: expect.stringContaining('Usage: fp8lab') });
  });

  it('--version prints just the version', async () => {
    expect((await cli('--version')).out).toMatch(/^\d+\.\d+\.\d+\n$/);
  });

  it.each([
    ['pariti', 'parity'],
    ['parity --backend reference', '--backends'],
    ['compare one.safetensors', 'missing required argument'],
    ['quantize a b', '--scheme'],
    ['parity --tier exakt', 'exact'],
    ['parity --timeout soon', 'positive number'],
    ['parity --part 3/2', '--part'],
    ['playground --port 99999', '65535'],
    ['parity --backends reference,webgpu:bun', 'webgpu:deno'],
  ])('%s is a usage error that names %s', async (args, words) => {
    const { code, err } = await cli(args);
    expect(code).toBe(2);
    expect(err).toContain(words);
  });

  it('colour follows NO_COLOR, FORCE_COLOR, TERM and the terminal', () => {
    expect(wantsColour({}, true)).toBe(true);
    expect(wantsColour({}, false)).toBe(false);
    expect(wantsColour({ NO_COLOR: '1', FORCE_COLOR: '1' }, true)).toBe(false);
    expect(wantsColour({ FORCE_COLOR: '1' }, false)).toBe(true);
    expect(wantsColour({ TERM: 'dumb' }, true)).toBe(false);
  });
});

describe('errors', () => {
  it('are three lines on stderr: what, where, fix', async () => {
    const { code, out, err } = await cli('run no-such-spec');
    expect(code).toBe(4);
    expect(out).toBe('');
    expect(err).toMatch(/^error: .+\nwhere: .+\nfix: .+\n$/);
  });

  it('are one object on stdout with --json', async () => {
    const { code, out, err } = await cli('run no-such-spec --json');
    expect(code).toBe(4);
    expect(err).toBe('');
    expect(JSON.parse(out)).toMatchObject({ schemaVersion: 1, error: { code: 'no-such-spec', where: 'no-such-spec' } });
  });

  it('of usage are an object too with --json', async () => {
    const { code, out } = await cli('pariti --json');
    expect(code).toBe(2);
    expect(JSON.parse(out)).toMatchObject({
      schemaVersion: 1,
      error: { code: 'unknown-command', message: expect.stringContaining('parity') },
    });
  });

  it('JSON that does not parse is told with its line and column', async () => {
    const path = join(folder, 'broken.json');
    await writeFile(path, '{\n  "fp8lab": 1,\n  "kernel": gemm\n}\n');
    const { code, err } = await cli(`run ${path}`);
    expect(code).toBe(4);
    expect(err).toContain('broken.json:3:13');
  });

  it('a place where nothing can be written is told before anything runs', async () => {
    const file = join(folder, 'in-the-way');
    await writeFile(file, '');
    for (const args of [
      `parity gemm/edge-k1 --backends reference --report ${file}/x.html`,
      `trace gemm/edge-k1 --element 0,0 --report ${file}/x.html`,
      `run gemm/edge-k1 --backend native:cuda --out ${file}/x.safetensors`,
      `spec export ${file}/x gemm/edge-k1`,
      `simulate why 20-sms --folder ${file}`,
    ]) {
      const { code, out, err } = await cli(args);
      expect({ args, code, out, err }).toMatchObject({ code: 3, out: '', err: expect.stringContaining(file) });
    }
  });

  it('a limit longer than any timer is no limit', async () => {
    expect(await cli('run gemm/edge-k1 --timeout 1e9')).toMatchObject({ code: 0 });
  });

  it('an interrupted command ends with 130', async () => {
    const { code, err } = await cli('parity gemm/edge-k1 --backends reference', AbortSignal.abort());
    expect(code).toBe(130);
    expect(err).toBe('interrupted\n');
  });
});

describe('spec', () => {
  it('resolve prints a spec that resolves to itself', async () => {
    const first = await cli('spec resolve gemm/dsv3-wgrad');
    const path = join(folder, 'resolved.json');
    await writeFile(path, first.out);
    const second = await cli(`spec resolve ${path}`);
    expect(second.out).toBe(first.out);
    expect(first.err).toMatch(/^identity: [0-9a-f]{64}\n$/);
    expect(second.err).toBe(first.err);
  });

  it('list names every shipped spec once', async () => {
    const { specs } = JSON.parse((await cli('spec list --json')).out) as { specs: { spec: string }[] };
    expect(specs.length).toBeGreaterThan(100);
    expect(new Set(specs.map(({ spec }) => spec)).size).toBe(specs.length);
  });

  it('export writes specs that resolve to themselves', async () => {
    const into = join(folder, 'resolved');
    const { code, out } = await cli(`spec export ${into} gemm/edge-k1 quantize/mxfp4`);
    expect({ code, out }).toEqual({ code: 0, out: `2 specs in ${into}\n` });
    expect((await readdir(into)).sort()).toEqual(['gemm.edge-k1.json', 'quantize.mxfp4.json']);
    const text = await readFile(join(into, 'gemm.edge-k1.json'), 'utf8');
    expect((await cli(`spec resolve ${join(into, 'gemm.edge-k1.json')}`)).out).toBe(text);
  });

  it('presets and schema print', async () => {
    expect((await cli('spec presets')).out).toContain('hopper-deepgemm');
    expect(JSON.parse((await cli('spec schema')).out).title).toBe('fp8lab kernel spec');
  });
});

describe('run, compare and parity', () => {
  it('a run writes its tensors and spec, and the file compares equal to itself', async () => {
    const path = join(folder, 'd.safetensors');
    const { code, out } = await cli(`run gemm/edge-ragged --out ${path} --json`);
    expect(code).toBe(0);
    const [tensor] = JSON.parse(out).tensors;
    expect(tensor).toMatchObject({ name: 'd', dtype: 'BF16', shape: [13, 131] });
    expect(await cli(`compare ${path} ${path}`)).toMatchObject({ code: 0 });
  });

  it('one flipped bit fails the comparison and is told with its coordinates', async () => {
    const [a, b] = [join(folder, 'a.safetensors'), join(folder, 'b.safetensors')];
    await cli(`run gemm/edge-k33 --out ${a}`);
    const { d } = await readTensors(a);
    const codes = d!.codes.slice();
    codes[9] = (codes[9]! ^ 1) & 0xffff;
    await writeTensors(b, { d: { ...d!, codes } });
    const { code, out } = await cli(`compare ${a} ${b}`);
    expect(code).toBe(1);
    expect(out).toContain('first at [1, 2]');
  });

  it('inputs from a file give the bits of the generated ones', async () => {
    const [inputs, out] = [join(folder, 'inputs.safetensors'), join(folder, 'q.safetensors')];
    const { resolveSpec, materializeInputs, kernelOf } = await import('../../src/index.ts');
    const { loadOne } = await import('../../src/cli/run.ts');
    const { spec } = await loadOne('quantize/edge-ragged');
    expect(resolveSpec(spec)).toEqual(spec);
    await writeTensors(inputs, materializeInputs(kernelOf(spec).inputs(spec)));
    const generated = JSON.parse((await cli('run quantize/edge-ragged --json')).out);
    const read = JSON.parse((await cli(`run quantize/edge-ragged --inputs ${inputs} --out ${out} --json`)).out);
    expect(read.tensors).toEqual(generated.tensors);
  });

  it('inputs that lack a tensor are refused by name', async () => {
    const inputs = join(folder, 'few.safetensors');
    await writeTensors(inputs, { y: { dtype: 'U8', shape: [1], codes: Uint8Array.of(1) } });
    const { code, err } = await cli(`run quantize/mxfp8 --inputs ${inputs}`);
    expect(code).toBe(4);
    expect(err).toContain('no tensor named x');
  });

  it('codes without their scales are refused, and scales of another shape by their own name', async () => {
    const spec = join(folder, 'codes.json');
    const operand = { scheme: 'activation-1x128', input: 'normal' };
    const shape = { m: 4, n: 8, k: 256 };
    await writeFile(spec, JSON.stringify({ fp8lab: 1, kernel: 'gemm', name: 'codes', shape, a: operand, b: operand }));
    const codes = (rows: number) => ({
      dtype: 'F8_E4M3' as const,
      shape: [rows, 256],
      codes: new Uint8Array(rows * 256),
    });
    const scales = (rows: number, columns: number) => ({
      dtype: 'F32' as const,
      shape: [rows, columns],
      codes: new Uint32Array(rows * columns),
    });
    const file = join(folder, 'codes.safetensors');
    const tell = async (tensors: Tensors) => {
      await writeTensors(file, tensors);
      return cli(`run ${spec} --inputs ${file}`);
    };
    const both = { a: codes(4), b: codes(8), b_scales: scales(8, 2) };
    expect((await tell(both)).err).toMatch(/^error: a holds codes \(F8_E4M3\), and there is no a_scales\n/);
    const turned = await tell({ ...both, a_scales: scales(2, 4) });
    expect(turned).toMatchObject({ code: 4, err: expect.stringMatching(/^error: tensor a_scales has shape \[2, 4\]/) });
    expect((await tell({ ...both, a_scales: scales(4, 2) })).code).toBe(0);
  });

  it('two files without tensors are no agreement', async () => {
    const file = join(folder, 'none.safetensors');
    await writeTensors(file, {});
    expect(await cli(`compare ${file} ${file}`)).toMatchObject({ code: 4 });
  });

  it('samples are counted in whole numbers', async () => {
    for (const args of ['probe --samples 1.5', 'probe --samples 1e12', 'bench --samples 2.5'])
      expect(await cli(args)).toMatchObject({ code: 2, err: expect.stringContaining('whole number') });
  });

  it('a number of workers that would end the machine is refused', async () => {
    for (const command of ['inspect x', 'quantize x y --scheme mxfp8', 'dequantize x y'])
      expect(await cli(`${command} --workers 1e6`)).toMatchObject({
        code: 2,
        err: expect.stringContaining('0 to 256'),
      });
  });

  it('recorded evidence holds for a later run, and a changed digest does not', async () => {
    const evidence = join(folder, 'evidence');
    expect((await cli(`parity gemm/edge-k1 --backends reference --record ${evidence}`)).code).toBe(0);
    const held = await cli(`parity gemm/edge-k1 --backends reference --against ${evidence}`);
    expect(held).toMatchObject({ code: 0, out: expect.stringContaining('1 of 1 equal to the evidence') });
    const [file] = await readdir(join(evidence, 'gemm'));
    const path = join(evidence, 'gemm', file!);
    const text = await readFile(path, 'utf8');
    await writeFile(
      path,
      text.replace(/("sha256": ?")(.)/, (_, head, digit) => head + (digit === '0' ? '1' : '0')),
    );
    expect(await cli(`parity gemm/edge-k1 --backends reference --against ${evidence}`)).toMatchObject({ code: 4 });
  });

  it('evidence of other specs is no evidence', async () => {
    const evidence = join(folder, 'other');
    await cli(`parity gemm/edge-k1 --backends reference --record ${evidence}`);
    const { code, out } = await cli(`parity gemm/edge-k33 --backends reference --against ${evidence}`);
    expect(code).toBe(1);
    expect(out).toContain('holds none for these specs');
  });

  it('a trace ends in the bits that a run gives', async () => {
    const path = join(folder, 'traced.safetensors');
    await cli(`run gemm/edge-k33 --out ${path}`);
    const { d } = await readTensors(path);
    const { code, out } = await cli('trace gemm/edge-k33 --element 2,3 --json');
    expect(code).toBe(0);
    expect(Number(JSON.parse(out).result.code)).toBe(d!.codes[2 * 7 + 3]);
    expect((await cli('trace gemm/edge-k33 --element 2,3')).out).toContain('d[2, 3]');
    expect(await cli('trace gemm/edge-k33 --element 2')).toMatchObject({ code: 4 });
    expect(await cli('trace gemm/edge-k33 --element two,3')).toMatchObject({ code: 2 });
  });

  it('parts cover the shipped specs without overlap', async () => {
    const rows = async (part: string): Promise<string[]> => {
      const { out } = await cli(`parity specs/load-statistics --backends reference --part ${part} --json`);
      return (JSON.parse(out).results as { spec: string }[]).map(({ spec }) => spec);
    };
    const parts = [...(await rows('1/2')), ...(await rows('2/2'))];
    const whole = await rows('1/1');
    expect([...parts].sort()).toEqual([...whole].sort());
  }, 60_000);
});

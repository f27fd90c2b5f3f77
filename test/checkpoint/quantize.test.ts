import { cpSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { openCheckpoint } from '../../src/checkpoint/checkpoint.ts';
import { convertCheckpoint } from '../../src/checkpoint/convert.ts';
import { planQuantize } from '../../src/checkpoint/quantize.ts';
import { selectionOf } from '../../src/checkpoint/selection.ts';
import { quantizeCommand } from '../../src/cli/quantize.ts';
import { quantizeReference } from '../../src/kernels/quantize/reference.ts';
import { schemePreset } from '../../src/specs/presets.ts';
import { readTensors } from '../../src/tensors/files.ts';
import { packCodes } from '../../src/tensors/packing.ts';
import type { Tensors } from '../../src/tensors/tensor.ts';
import { smallModel, weights, writeCheckpoint } from '../helpers/checkpoint.ts';
import { recordedIo } from '../helpers/command-io.ts';
import { temporaryFolder } from '../helpers/folder.ts';

/** Every file of a folder by its path within it. */
function contents(folder: string): Record<string, string> {
  const files = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  const paths = files.map((entry) => join(entry.parentPath, entry.name));
  return Object.fromEntries(
    paths.map((path) => [path.slice(folder.length + 1), readFileSync(path).toString('base64')]),
  );
}

const shard1 = 'model-00001-of-00002.safetensors';
const shard2 = 'model-00002-of-00002.safetensors';
const q = 'model.layers.0.self_attn.q_a_proj.weight';
const up = 'model.layers.0.mlp.experts.0.up_proj.weight';

async function small(
  dtype: 'BF16' | 'F16' | 'F32' = 'BF16',
): Promise<{ input: string; output: string; folder: string }> {
  const folder = temporaryFolder();
  const input = join(folder, 'in');
  await writeCheckpoint(input, smallModel(dtype));
  return { folder, input, output: join(folder, 'out') };
}

async function quantize(
  input: string,
  output: string,
  more: Record<string, unknown> = {},
): Promise<Record<string, unknown>> {
  const io = recordedIo();
  const exit = await quantizeCommand({ input, output, scheme: 'weight-128x128', json: true, workers: 0, ...more }, io);
  return { exit, ...JSON.parse(io.out()) };
}

describe('quantizing a checkpoint', () => {
  it('writes DeepSeek tensors with the bytes of the reference, and leaves the rest as it was', async () => {
    const { input, output } = await small();
    const report = await quantize(input, output, { verify: true });
    expect(report).toMatchObject({
      exit: 0,
      schemaVersion: 1,
      complete: true,
      verified: { tensors: 3, mismatches: 0 },
    });
    const before = { ...(await readTensors(join(input, shard1))), ...(await readTensors(join(input, shard2))) };
    const after = { ...(await readTensors(join(output, shard1))), ...(await readTensors(join(output, shard2))) };
    const chosen = [q, up, 'model.layers.0.mlp.experts.0.down_proj.weight'];
    expect(report.quantized).toEqual([...chosen].sort());
    for (const name of chosen) {
      const { codes, scales } = quantizeReference(before[name]!, schemePreset('weight-128x128'));
      expect(after[name]).toEqual(codes);
      expect(after[`${name}_scale_inv`]).toEqual(scales);
    }
    const others = (tensors: Tensors) =>
      Object.entries(tensors).filter(([name]) => !chosen.some((c) => name.startsWith(c)));
    expect(others(after)).toEqual(others(before));
  });

  it('rewrites config and index, copies the rest', async () => {
    const { input, output } = await small();
    await quantize(input, output, { scheme: 'weight-128x128-pow2' });
    const config = JSON.parse(readFileSync(join(output, 'config.json'), 'utf8'));
    expect(config).toEqual({
      model_type: 'test',
      torch_dtype: 'bfloat16',
      quantization_config: {
        activation_scheme: 'dynamic',
        fmt: 'e4m3',
        quant_method: 'fp8',
        scale_fmt: 'ue8m0',
        weight_block_size: [128, 128],
      },
    });
    const index = JSON.parse(readFileSync(join(output, 'model.safetensors.index.json'), 'utf8'));
    expect(index.weight_map).toMatchObject({ [q]: shard1, [`${q}_scale_inv`]: shard1, [`${up}_scale_inv`]: shard2 });
    const sizes = [shard1, shard2].map((name) => statSync(join(output, name)).size);
    expect(index.metadata.total_size).toBeLessThan(sizes[0]! + sizes[1]!);
    expect(readFileSync(join(output, 'tokenizer', 'vocab.txt'), 'utf8')).toBe('a\nb\n');
  });

  it.each(['per-token', 'per-tensor', 'mxfp8', 'mxfp8-e5m2', 'mxfp6-e2m3', 'mxfp6-e3m2', 'mxfp4', 'nvfp4'])(
    '%s is read back and equals the reference, from every dtype',
    async (scheme) => {
      for (const dtype of ['BF16', 'F16', 'F32'] as const) {
        const { input, output } = await small(dtype);
        expect(await quantize(input, output, { scheme, verify: true })).toMatchObject({ verified: { mismatches: 0 } });
        const x = (await readTensors(join(input, shard1)))[q]!;
        const { codes, scales, tensorScale } = quantizeReference(x, schemePreset(scheme));
        const after = await readTensors(join(output, shard1));
        const stored = scheme === 'nvfp4' ? after[q]!.codes : packCodes(after[q]!.codes, after[q]!.dtype);
        expect(stored).toEqual(packCodes(codes.codes, codes.dtype));
        expect(after[`${q}_scale`]!.codes).toEqual(scales.codes);
        if (tensorScale) expect(after[`${q}_scale_2`]).toEqual(tensorScale);
      }
    },
  );

  it('a damaged byte is found by --verify, with exit code 1', async () => {
    const { input, output } = await small();
    await quantize(input, output);
    const path = join(output, shard1);
    const bytes = readFileSync(path);
    const header = JSON.parse(bytes.subarray(8, 8 + Number(bytes.readBigUInt64LE(0))).toString());
    bytes[8 + Number(bytes.readBigUInt64LE(0)) + header[q].data_offsets[0] + 77]! ^= 1;
    writeFileSync(path, bytes);
    expect(await quantize(input, output, { verify: true })).toMatchObject({ exit: 1, verified: { mismatches: 1 } });
  });

  it('run again, it writes nothing', async () => {
    const { input, output } = await small();
    await quantize(input, output);
    const before = contents(output);
    const times = [shard1, 'config.json', 'model.safetensors.index.json'].map(
      (name) => statSync(join(output, name)).mtimeMs,
    );
    const report = await quantize(input, output);
    expect(report.shards).toEqual([shard1, shard2].map((name) => ({ name, state: 'kept' })));
    expect(contents(output)).toEqual(before);
    expect(
      [shard1, 'config.json', 'model.safetensors.index.json'].map((name) => statSync(join(output, name)).mtimeMs),
    ).toEqual(times);
  });

  it('tells the elements that a NaN or Inf took along, and again where nothing is left to do', async () => {
    const folder = temporaryFolder();
    const [first, second] = smallModel();
    // [0, 0] of a tile 128x128, and [199, 255] of one that has 72 rows.
    first[q]!.codes[0] = 0x7fc0;
    first[q]!.codes[first[q]!.codes.length - 1] = 0x7f80;
    await writeCheckpoint(join(folder, 'in'), [first, second]);
    const lost = [{ tensor: q, elements: 128 * 128 + 72 * 128 }];
    const [input, output] = [join(folder, 'in'), join(folder, 'out')];
    expect(await quantize(input, output)).toMatchObject({ exit: 0, lost });
    expect(await quantize(input, output)).toMatchObject({ exit: 0, lost, shards: [{ state: 'kept' }, {}] });
    const io = recordedIo();
    await quantizeCommand({ input, output, scheme: 'weight-128x128', workers: 0 }, io);
    expect(io.out()).toContain(`NaN or Inf: 25600 elements of "${q}" came out as NaN`);
    const whole = await quantize(input, join(folder, 'clean'), { include: [up], exclude: [] });
    expect(whole.lost).toEqual([]);
  });

  it('a shard without its proof is made again, whatever stands in its place', async () => {
    const { input, output } = await small();
    await quantize(input, output);
    const before = contents(output);
    for (const damage of [() => writeFileSync(join(output, shard2), 'half'), () => rmSync(join(output, shard2))]) {
      damage();
      const report = await quantize(input, output);
      expect(report.shards).toMatchObject([{ state: 'kept' }, { state: 'written' }]);
      expect(contents(output)).toEqual(before);
    }
    rmSync(join(output, '.fp8lab', `${shard2}.json`));
    await expect(quantize(input, output)).rejects.toMatchObject({ code: 'output-exists', exitCode: 2 });
  });

  it('a source that was only touched is known by its digest; one that changed is not', async () => {
    const { input, output } = await small();
    await quantize(input, output);
    utimesSync(join(input, shard1), 1, 1);
    expect((await quantize(input, output)).shards).toMatchObject([{ state: 'kept' }, { state: 'kept' }]);
    const bytes = readFileSync(join(input, shard1));
    bytes[bytes.length - 1]! ^= 1;
    writeFileSync(join(input, shard1), bytes);
    await expect(quantize(input, output)).rejects.toMatchObject({ code: 'output-exists' });
    expect((await quantize(input, output, { force: true })).shards).toMatchObject([
      { state: 'written' },
      { state: 'kept' },
    ]);
  });

  it('parts in any order, and again, give the bytes of one run', async () => {
    const { folder, input, output } = await small();
    await quantize(input, output);
    const parts = join(folder, 'parts');
    expect(await quantize(input, parts, { part: '2/2' })).toMatchObject({ complete: false });
    expect(readdirSync(parts)).not.toContain('config.json');
    expect(await quantize(input, parts, { part: '1/2' })).toMatchObject({ complete: true });
    const strip = (files: Record<string, string>) =>
      Object.entries(files).filter(([name]) => !name.startsWith('.fp8lab'));
    expect(strip(contents(parts))).toEqual(strip(contents(output)));
    const before = contents(parts);
    await quantize(input, parts, { part: '2/2' });
    expect(contents(parts)).toEqual(before);
  });

  it('a single file becomes a single file, or a folder', async () => {
    const { folder, input } = await small();
    const one = join(folder, 'one.safetensors');
    await quantize(join(input, shard1), one);
    await quantize(join(input, shard1), join(folder, 'as-folder'));
    expect(readFileSync(one)).toEqual(readFileSync(join(folder, 'as-folder', shard1)));
  });

  it('include and exclude choose by globs; a kept linear weight is told in the configuration', async () => {
    const { folder, input, output } = await small();
    const report = await quantize(input, output, { exclude: ['*.q_a_proj.*'] });
    expect(report.quantized).not.toContain(q);
    const config = JSON.parse(readFileSync(join(output, 'config.json'), 'utf8'));
    expect(config.quantization_config.modules_to_not_convert).toEqual(['model.layers.0.self_attn.q_a_proj']);
    const only = await quantize(input, join(folder, 'only'), { include: ['*gate*', '*norm*'] });
    expect(only.quantized).toEqual(['model.layers.0.mlp.gate.weight']);
    expect(only.unfit).toMatchObject([{ name: 'model.layers.0.input_layernorm.weight' }]);
    await expect(quantize(input, join(folder, 'none'), { include: ['nothing'] })).rejects.toMatchObject({
      code: 'nothing-selected',
    });
  });

  it('scales across tiles larger than a slice are those of the whole tile', async () => {
    const folder = temporaryFolder();
    await writeCheckpoint(join(folder, 'in'), [
      { 'wide.weight': weights('BF16', [2, 1_100_000]), 'tall.weight': weights('F32', [530_000, 2]) },
    ]);
    for (const scheme of ['per-token', 'per-tensor']) {
      const report = await quantize(join(folder, 'in'), join(folder, scheme), { scheme, verify: true });
      const after = await readTensors(join(folder, scheme, 'model.safetensors'));
      const x = (await readTensors(join(folder, 'in', 'model.safetensors')))['wide.weight']!;
      const wanted = quantizeReference(x, schemePreset(scheme));
      expect(after['wide.weight_scale']!.codes).toEqual(wanted.scales.codes);
      expect(report).toMatchObject({ verified: { mismatches: 0 } });
    }
  });

  it('a scheme of its own comes from a file', async () => {
    const { folder, input, output } = await small();
    const file = join(folder, 'fine.json');
    writeFileSync(file, JSON.stringify({ format: 'e4m3', tile: [64, 64], scale: { type: 'f32', recipe: 'v32' } }));
    expect(await quantize(input, output, { scheme: file, verify: true })).toMatchObject({
      scheme: 'fine',
      verified: { mismatches: 0 },
    });
    const config = JSON.parse(readFileSync(join(output, 'config.json'), 'utf8'));
    expect(config.quantization_config.weight_block_size).toEqual([64, 64]);
    await expect(quantize(input, output, { scheme: join(folder, 'none.json') })).rejects.toMatchObject({
      code: 'missing-file',
    });
  });

  it('schemes no checkpoint can hold, quantized checkpoints and wrong options are refused', async () => {
    const { folder, input, output } = await small();
    await expect(quantize(input, output, { scheme: 'e5m6-token' })).rejects.toMatchObject({
      code: 'scheme-without-layout',
      exitCode: 2,
    });
    await expect(quantize(input, output, { scheme: 'weight-128' })).rejects.toMatchObject({
      code: 'unknown-preset',
      exitCode: 2,
    });
    await expect(quantize(input, output, { part: '3/2' })).rejects.toMatchObject({ code: 'bad-part', exitCode: 2 });
    await expect(quantize(input, `${output}.safetensors`)).rejects.toMatchObject({ code: 'output-not-a-folder' });
    await quantize(input, output);
    await expect(quantize(output, join(folder, 'again'))).rejects.toMatchObject({
      code: 'already-quantized',
      exitCode: 4,
    });
  });

  it('stopped in the middle, it leaves no part of a file', async () => {
    const { input, output } = await small();
    const stop = new AbortController();
    const checkpoint = await openCheckpoint(input);
    const plan = planQuantize(checkpoint, schemePreset('mxfp8'), 'mxfp8', selectionOf());
    const run = convertCheckpoint(checkpoint, output, plan, {
      workers: 0,
      signal: stop.signal,
      onProgress: () => stop.abort(),
    });
    await expect(run).rejects.toMatchObject({ code: 'interrupted', exitCode: 130 });
    expect(readdirSync(output)).toEqual([]);
  });

  it('input and output may not lie in each other, nor the output hold other files', async () => {
    const { folder, input, output } = await small();
    for (const wrong of [input, join(input, 'out'), folder]) {
      await expect(quantize(input, wrong)).rejects.toMatchObject({ code: 'output-inside-input', exitCode: 2 });
    }
    await expect(quantize(join(input, shard1), join(input, shard1))).rejects.toMatchObject({
      code: 'output-inside-input',
    });
    mkdirSync(output);
    writeFileSync(join(output, 'thesis.txt'), 'mine');
    await expect(quantize(input, output)).rejects.toMatchObject({ code: 'output-not-empty', exitCode: 2 });
    expect(await quantize(input, output, { force: true })).toMatchObject({ complete: true });
    cpSync(output, join(folder, 'copy'), { recursive: true });
    expect(readFileSync(join(output, 'thesis.txt'), 'utf8')).toBe('mine');
  });
});

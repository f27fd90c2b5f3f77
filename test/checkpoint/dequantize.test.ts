import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { dequantizeCommand } from '../../src/cli/dequantize.ts';
import { quantizeCommand } from '../../src/cli/quantize.ts';
import { dequantizeReference } from '../../src/kernels/dequantize/reference.ts';
import { quantizeReference } from '../../src/kernels/quantize/reference.ts';
import { divF32, fromBits, mulF32 } from '../../src/numerics/f32.ts';
import { schemePreset } from '../../src/specs/presets.ts';
import { readTensors } from '../../src/tensors/files.ts';
import { packCodes } from '../../src/tensors/packing.ts';
import type { Tensor, Tensors } from '../../src/tensors/tensor.ts';
import { anyCodes, smallModel, weights, writeCheckpoint } from '../helpers/checkpoint.ts';
import { recordedIo } from '../helpers/command-io.ts';
import { temporaryFolder } from '../helpers/folder.ts';

const w = 'model.layers.0.mlp.up_proj.weight';

async function dequantize(
  shards: readonly Tensors[],
  config?: Record<string, unknown>,
): Promise<{ tensors: Tensors; config: unknown }> {
  const folder = temporaryFolder();
  const names = await writeCheckpoint(join(folder, 'in'), shards, config);
  await dequantizeCommand({ input: join(folder, 'in'), output: join(folder, 'out'), workers: 0 }, recordedIo());
  let tensors: Tensors = {};
  for (const name of names) tensors = { ...tensors, ...(await readTensors(join(folder, 'out', name))) };
  return { tensors, config: JSON.parse(readFileSync(join(folder, 'out', 'config.json'), 'utf8')) };
}

/** Two codes a byte, the even one low, as U8 or I8 of the given shape. */
const packed = (codes: Tensor, dtype: 'U8' | 'I8', shape: readonly number[]): Tensor => ({
  dtype,
  shape,
  codes: packCodes(codes.codes, 'F4'),
});

const e2m1 = [0, 0.5, 1, 1.5, 2, 3, 4, 6, -0, -0.5, -1, -1.5, -2, -3, -4, -6];
const bf16 = (value: number): number => new Uint32Array(Float32Array.of(value).buffer)[0]! >>> 16;

describe('dequantizing a checkpoint', () => {
  it.each([
    'weight-128x128',
    'weight-128x128-pow2',
    'per-token',
    'per-tensor',
    'mxfp8',
    'mxfp8-e5m2',
    'mxfp6-e2m3',
    'mxfp6-e3m2',
    'mxfp4',
    'nvfp4',
  ])('what quantize wrote by %s comes back as the reference dequantizes it', async (scheme) => {
    const folder = temporaryFolder();
    const [one, two] = smallModel();
    const names = await writeCheckpoint(join(folder, 'in'), [one, two]);
    const [middle, out] = [join(folder, 'q'), join(folder, 'out')];
    await quantizeCommand({ input: join(folder, 'in'), output: middle, scheme, workers: 0 }, recordedIo());
    await dequantizeCommand({ input: middle, output: out, workers: 0 }, recordedIo());
    const back = { ...(await readTensors(join(out, names[0]!))), ...(await readTensors(join(out, names[1]!))) };
    const before: Tensors = { ...one, ...two };
    expect(Object.keys(back).sort()).toEqual(Object.keys(before).sort());
    for (const [name, tensor] of Object.entries(before)) {
      const quantized = /_proj\.weight$/.test(name);
      const preset = schemePreset(scheme);
      const wanted = quantized ? dequantizeReference(quantizeReference(tensor, preset), preset, 'bf16') : tensor;
      expect(back[name]).toEqual(wanted);
    }
    expect(JSON.parse(readFileSync(join(out, 'config.json'), 'utf8'))).toEqual({
      model_type: 'test',
      torch_dtype: 'bfloat16',
    });
  });

  it('a scale in another shard is followed', async () => {
    const preset = schemePreset('weight-128x128');
    const quantized = quantizeReference(weights('BF16', [130, 200]), preset);
    const { tensors } = await dequantize([
      { [w]: quantized.codes },
      { [`${w}_scale_inv`]: quantized.scales, other: anyCodes('I32', [2]) },
    ]);
    expect(tensors[w]).toEqual(dequantizeReference(quantized, preset, 'bf16'));
    expect(Object.keys(tensors).sort()).toEqual([w, 'other'].sort());
  });

  it("the configuration's block size decides where shapes leave a choice", async () => {
    const preset = { ...schemePreset('weight-128x128'), tile: [64, 128] as const };
    const quantized = quantizeReference(weights('BF16', [64, 128]), preset);
    const tall = quantizeReference(weights('BF16', [192, 256]), preset);
    const { tensors } = await dequantize(
      [
        {
          [w]: quantized.codes,
          [`${w}_scale_inv`]: quantized.scales,
          'a.weight': tall.codes,
          'a.weight_scale_inv': tall.scales,
        },
      ],
      { quantization_config: { weight_block_size: [64, 128] } },
    );
    expect(tensors[w]).toEqual(dequantizeReference(quantized, preset, 'bf16'));
    expect(tensors['a.weight']).toEqual(dequantizeReference(tall, preset, 'bf16'));
  });

  it('gpt-oss blocks and scales become [experts, rows, 32 groups], low nibble first', async () => {
    const codes = anyCodes('F4', [2, 3, 4, 32]);
    const scales: Tensor = { dtype: 'U8', shape: [2, 3, 4], codes: Uint8Array.from({ length: 24 }, (_, i) => 115 + i) };
    const { tensors } = await dequantize([
      {
        'mlp.experts.gate_up_proj_blocks': packed(codes, 'U8', [2, 3, 4, 16]),
        'mlp.experts.gate_up_proj_scales': scales,
      },
    ]);
    const wanted = Uint16Array.from(codes.codes, (code, i) =>
      bf16(e2m1[code]! * 2 ** (115 + Math.floor(i / 32) - 127)),
    );
    expect(tensors).toEqual({ 'mlp.experts.gate_up_proj': { dtype: 'BF16', shape: [2, 3, 128], codes: wanted } });
  });

  it("DeepSeek's FP4 experts, I8 with F8_E8M0 scales, are read", async () => {
    const codes = anyCodes('F4', [4, 64]);
    const scales: Tensor = {
      dtype: 'F8_E8M0',
      shape: [4, 2],
      codes: Uint8Array.from({ length: 8 }, (_, i) => 120 + i),
    };
    const { tensors } = await dequantize([
      { 'experts.0.w1.weight': packed(codes, 'I8', [4, 32]), 'experts.0.w1.scale': scales },
    ]);
    const wanted = Uint16Array.from(codes.codes, (code, i) =>
      bf16(e2m1[code]! * 2 ** (120 + Math.floor(i / 32) - 127)),
    );
    expect(tensors).toEqual({ 'experts.0.w1.weight': { dtype: 'BF16', shape: [4, 64], codes: wanted } });
  });

  it.each(['packed', 'modelopt'] as const)('nvfp4 as %s: the tensor scale divides or multiplies', async (kind) => {
    const codes = anyCodes('F4', [2, 32]);
    const scales: Tensor = { dtype: 'F8_E4M3', shape: [2, 2], codes: Uint8Array.of(0x38, 0x41, 0x52, 0x30) };
    const global: Tensor = {
      dtype: 'F32',
      shape: [1],
      codes: new Uint32Array(Float32Array.of(kind === 'packed' ? 337.5 : 0.003).buffer),
    };
    const file: Tensors =
      kind === 'packed'
        ? {
            'a.weight_packed': packed(codes, 'U8', [2, 16]),
            'a.weight_scale': scales,
            'a.weight_global_scale': global,
            'a.input_global_scale': global,
          }
        : {
            'a.weight': packed(codes, 'U8', [2, 16]),
            'a.weight_scale': scales,
            'a.weight_scale_2': global,
            'a.input_scale': global,
          };
    const { tensors } = await dequantize([file]);
    const apply = kind === 'packed' ? divF32 : mulF32;
    const tile = [1, 2.25, 10, 0.5].map((scale) => apply(scale, fromBits(global.codes[0]!)));
    const value = (code: number, i: number): number => Math.fround(e2m1[code]! * tile[Math.floor(i / 16)]!);
    const back = tensors['a.weight']!;
    expect(Object.keys(tensors)).toEqual(['a.weight']);
    codes.codes.forEach((code, i) => {
      const exact = new Uint32Array(Float32Array.of(value(code, i)).buffer)[0]!;
      expect(back.codes[i]).toBe((exact + 0x7fff + ((exact >>> 16) & 1)) >>> 16);
    });
  });

  it('compressed-tensors per channel and per tensor, scales in bf16 too', async () => {
    const perChannel = { ...schemePreset('per-token') };
    const quantized = quantizeReference(weights('BF16', [40, 96]), perChannel);
    const scaleBf16: Tensor = {
      dtype: 'BF16',
      shape: [40, 1],
      codes: Uint16Array.from(quantized.scales.codes, (word) => word >>> 16),
    };
    const scaleF32: Tensor = {
      dtype: 'F32',
      shape: [40, 1],
      codes: Uint32Array.from(scaleBf16.codes, (half) => half << 16),
    };
    const { tensors, config } = await dequantize([{ [w]: quantized.codes, [`${w}_scale`]: scaleBf16 }], {
      dtype: 'bfloat16',
      quantization_config: { quant_method: 'compressed-tensors' },
    });
    expect(tensors[w]).toEqual(dequantizeReference({ codes: quantized.codes, scales: scaleF32 }, perChannel, 'bf16'));
    expect(config).toEqual({ dtype: 'bfloat16' });
  });

  it('NaN codes, NaN scales and overflow come out as NaN and Inf', async () => {
    const codes: Tensor = { dtype: 'F8_E4M3', shape: [2, 128], codes: new Uint8Array(256).fill(0x7e) };
    codes.codes[1] = 0x7f;
    const scales: Tensor = { dtype: 'F32', shape: [2, 1], codes: Uint32Array.of(0x7f7fffff, 0x7fc00001) };
    const { tensors } = await dequantize([{ [w]: codes, [`${w}_scale_inv`]: scales }], {
      quantization_config: { weight_block_size: [1, 128] },
    });
    expect(Array.from(tensors[w]!.codes.subarray(0, 3))).toEqual([0x7f80, 0x7fff, 0x7f80]);
    expect(new Set(tensors[w]!.codes.subarray(128))).toEqual(new Set([0x7fff]));
  });

  it('a weight without its scale, a scale of the wrong shape, foreign packing, nothing quantized: each is told', async () => {
    const codes = anyCodes('F8_E4M3', [8, 256]);
    const scales = (shape: number[]) => anyCodes('F32', shape);
    await expect(dequantize([{ [w]: codes }])).rejects.toMatchObject({ code: 'missing-scale', exitCode: 4 });
    await expect(dequantize([{ [w]: codes, [`${w}_scale_inv`]: scales([3, 5]) }])).rejects.toMatchObject({
      code: 'wrong-scale-shape',
    });
    await expect(
      dequantize([{ 'a.weight_packed': anyCodes('U8', [4, 4]), 'a.weight_scale': scales([4, 1]) }]),
    ).rejects.toMatchObject({
      code: 'unsupported-quantization',
    });
    await expect(dequantize([{ [w]: weights('BF16', [4, 4]) }])).rejects.toMatchObject({ code: 'nothing-quantized' });
  });
});

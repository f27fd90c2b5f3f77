import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { inspectCommand } from '../../src/cli/inspect.ts';
import { dequantizeWords } from '../../src/kernels/dequantize/reference.ts';
import { quantizeReference, widen } from '../../src/kernels/quantize/reference.ts';
import { schemePreset } from '../../src/specs/presets.ts';
import { writeTensors } from '../../src/tensors/files.ts';
import type { Tensor } from '../../src/tensors/tensor.ts';
import { anyCodes, weights } from '../helpers/checkpoint.ts';
import { recordedIo } from '../helpers/command-io.ts';
import { temporaryFolder } from '../helpers/folder.ts';

interface Report {
  readonly tensors: {
    name: string;
    measured: number;
    amax: number;
    nan: number;
    inf: number;
    best: string;
    schemes: Scheme[];
  }[];
}

interface Scheme {
  readonly scheme: string;
  readonly sqnr: number | null;
  readonly saturated: number;
  readonly underflowed: number;
  readonly lost: number;
  readonly bits: number;
}

async function inspect(tensors: Record<string, Tensor>, more: Record<string, unknown> = {}): Promise<Report> {
  const path = join(temporaryFolder(), 'x.safetensors');
  await writeTensors(path, tensors);
  const io = recordedIo();
  expect(await inspectCommand({ path, json: true, workers: 0, ...more }, io)).toBe(0);
  return JSON.parse(io.out());
}

const f32 = (values: readonly number[], shape: readonly number[]): Tensor => ({
  dtype: 'F32',
  shape,
  codes: new Uint32Array(Float32Array.from(values).buffer),
});

describe('inspect', () => {
  it('SQNR is that of the reference, quantized and back', async () => {
    const x = weights('BF16', [200, 300]);
    const { tensors } = await inspect({ x });
    const values = new Float32Array(widen(x).buffer);
    for (const { scheme, sqnr } of tensors[0]!.schemes) {
      const preset = schemePreset(scheme);
      const back = new Float32Array(dequantizeWords(quantizeReference(x, preset), preset).buffer);
      let signal = 0;
      let noise = 0;
      values.forEach((value, i) => {
        signal += value ** 2;
        noise += (value - back[i]!) ** 2;
      });
      expect(sqnr).toBeCloseTo(10 * Math.log10(signal / noise), 6);
    }
    expect(tensors[0]).toMatchObject({ measured: 60_000, nan: 0, inf: 0 });
  });

  it('underflow and saturation are counted in shares', async () => {
    // One large value per row of 32: under mxfp4 (floor) 7 clips to 6, and 0.1 rounds to zero.
    const row = [7, 0.1, ...new Array(30).fill(1)];
    const { tensors } = await inspect({ x: f32([...row, ...row], [2, 32]) }, { schemes: ['mxfp4'] });
    expect(tensors[0]!.schemes[0]).toMatchObject({ saturated: 0, underflowed: 1 / 32 });
    const clipped = await inspect({ x: f32([7.5, ...new Array(31).fill(1)], [1, 32]) }, { schemes: ['mxfp4'] });
    expect(clipped.tensors[0]!.schemes[0]).toMatchObject({ saturated: 1 / 32, underflowed: 0 });
  });

  it('NaN and Inf are counted, and cost their tile', async () => {
    const values = new Array(128).fill(1);
    values[3] = Number.NaN;
    values[40] = Number.NEGATIVE_INFINITY;
    const { tensors } = await inspect({ x: f32(values, [1, 128]) }, { schemes: ['mxfp8', 'per-tensor'] });
    expect(tensors[0]).toMatchObject({ nan: 1, inf: 1, best: 'mxfp8' });
    expect(tensors[0]!.schemes.map(({ lost }) => lost)).toEqual([0.5, 1]);
  });

  it('a tie goes to fewer bits', async () => {
    const { tensors } = await inspect(
      { x: f32(new Array(128).fill(2), [1, 128]) },
      { schemes: ['mxfp8', 'mxfp4', 'mxfp6-e2m3'] },
    );
    expect(tensors[0]!.best).toBe('mxfp4');
  });

  it('a sample bounds what is looked at; 0 looks at all', async () => {
    const x = weights('F16', [3000, 1000]);
    expect((await inspect({ x }, { sample: 10, schemes: ['mxfp4'] })).tensors[0]!.measured).toBeLessThan(1.1e6);
    expect((await inspect({ x }, { sample: 0, schemes: ['mxfp4'] })).tensors[0]!.measured).toBe(3_000_000);
  });

  it('the table shows every tensor, also those that are not measured', async () => {
    const path = join(temporaryFolder(), 'x.safetensors');
    await writeTensors(path, {
      w: weights('BF16', [64, 64]),
      ids: anyCodes('I32', [3]),
      '\u001b[31m': anyCodes('U8', [1]),
    });
    const io = recordedIo();
    await inspectCommand({ path, workers: 0 }, io);
    expect(io.out()).toMatch(/^w +BF16 +64x64 /m);
    expect(io.out()).toMatch(/^ids +I32 +3$/m);
    expect(io.out()).not.toContain('\u001b');
  });
});

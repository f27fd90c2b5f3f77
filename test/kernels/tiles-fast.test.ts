import { describe, expect, it, vi } from 'vitest';
import { shaderSources } from '../../src/backends/webgpu/link.ts';
import { recorder } from '../../src/backends/webgpu/timing.ts';
import { dequantizeFamily } from '../../src/kernels/dequantize/variants.ts';
import { kernelOf } from '../../src/kernels/index.ts';
import { farFrom } from '../../src/kernels/near.ts';
import { fittingVariants, groupingOf, quantizeFamilies, tilesFamily } from '../../src/kernels/quantize/variants.ts';
import { swigluFamily } from '../../src/kernels/swiglu-quantize/variants.ts';
import { tileGrid } from '../../src/kernels/tiles.ts';
import { type Family, lackedBy } from '../../src/kernels/variants.ts';
import type { FormatName } from '../../src/numerics/formats.ts';
import type { ResolvedSpec } from '../../src/specs/types.ts';
import type { Tensor, Tensors } from '../../src/tensors/tensor.ts';
import { describeGpu, newGpu } from '../helpers/gpu.ts';
import {
  dequantizeSpec,
  integers,
  matrix,
  quantizeSpec,
  requantizeSpec,
  type SchemeFields,
  schemeOf,
  swigluSpec,
} from '../helpers/specs.ts';

vi.setConfig({ testTimeout: 60_000 });

const namesOf = ({ variants }: Family): string[] =>
  variants.filter((variant) => lackedBy(newGpu(), variant).length === 0).map(({ name }) => name);

/** How a variant's results differ from the reference, beyond what the fast tier may; throws where no family took it. */
async function differs(
  families: readonly Family[],
  variant: string,
  spec: ResolvedSpec,
  inputs: Tensors,
  maxBindingBytes?: number,
): Promise<string | undefined> {
  const variants = Object.fromEntries(families.map(({ name }) => [name, variant]));
  const gpu = newGpu({ variants, ...(maxBindingBytes && { maxBindingBytes }) });
  try {
    const kernel = kernelOf(spec);
    const got = await kernel.webgpu(gpu, spec, inputs, 'fast');
    expect(families.some(({ name }) => gpu.taken.has(`${name}=${variant}`))).toBe(true);
    return farFrom(got, kernel.reference(spec, inputs));
  } finally {
    await gpu.destroyRun();
  }
}

/** A matrix of ordinary values but for some rows: of zeros of both signs, with an Inf, with a NaN. */
function withOddRows(rows: number, columns: number, format: 'bf16' | 'f16' | 'f32'): Tensor {
  const x = matrix(rows, columns, format);
  const one = { bf16: 0x3f80, f16: 0x3c00, f32: 0x3f800000 }[format];
  const inf = { bf16: 0x7f80, f16: 0x7c00, f32: 0x7f800000 }[format];
  const sign = format === 'f32' ? 0x80000000 : 0x8000;
  for (let i = 0; i < columns; i++) x.codes[i] = i % 3 === 0 ? sign : 0;
  if (rows > 2) x.codes[columns + 2] = inf + sign;
  if (rows > 3) x.codes[2 * columns + (columns >> 1)] = inf + 1;
  if (rows > 4) x.codes[3 * columns + 1] = one;
  return x;
}

const ragged = [
  [1, 4],
  [5, 260],
  [131, 132],
] as const;

describeGpu('every variant of the fast quantize is near the reference', () => {
  const schemes: [string, 'bf16' | 'f32', SchemeFields][] = [
    ['1x128', 'bf16', {}],
    ['1x128, divided', 'f32', { recipe: 'divide' }],
    ['1x128, e5m2 by reciprocals', 'bf16', { recipe: 'inverse', format: 'e5m2' }],
    ['1x32 e2m1', 'f32', { tile: [1, 32], recipe: 'mx-floor', type: 'e8m0', format: 'e2m1', amaxFloor: 0 }],
    ['128x1', 'bf16', { tile: [128, 1] }],
    ['128x1, divided', 'f32', { tile: [128, 1], recipe: 'te' }],
    ['128x128', 'bf16', { tile: [128, 128] }],
    ['a row', 'f32', { tile: [1, 0], recipe: 'divide' }],
    ['all', 'bf16', { tile: [0, 0] }],
  ];
  const cases = schemes.flatMap(([name, format, fields]) =>
    namesOf(tilesFamily).map((variant) => [name, format, variant, fields] as const),
  );
  it.each(cases)('%s of %s, %s', async (_, format, variant, fields) => {
    for (const [rows, columns] of ragged) {
      const spec = quantizeSpec(rows, columns, schemeOf(fields));
      for (const x of [matrix(rows, columns, format), withOddRows(rows, columns, format)])
        expect(await differs(quantizeFamilies, variant, spec, { x }), `${rows}x${columns}`).toBeUndefined();
    }
  });

  it.each(namesOf(tilesFamily))('%s: f16, and tiles of rows and columns in bands of a few rows', async (variant) => {
    const halves = { x: withOddRows(131, 132, 'f16') };
    expect(await differs(quantizeFamilies, variant, quantizeSpec(131, 132, schemeOf()), halves)).toBeUndefined();
    const x = matrix(300, 132, 'bf16');
    for (const tile of [
      [1, 128],
      [16, 1],
      [16, 128],
    ] as const)
      expect(
        await differs(quantizeFamilies, variant, quantizeSpec(300, 132, schemeOf({ tile })), { x }, 16384),
      ).toBeUndefined();
  });
});

/** group_max() of subgroups whose lanes hand values on through memory: as many lanes as wanted, on any adapter. */
function emulatedSubgroups(): string {
  const [shuffle, path] = ['subgroupShuffleXor(largest, distance)', 'kernels/group_max_subgroups_fast'];
  const source = shaderSources[path]!;
  expect(source).toContain(shuffle);
  return `${source.replace('enable subgroups;', '').replace(shuffle, 'handed_on(largest, local, distance)')}
var<workgroup> lanes: array<u32, WORKGROUP_SIZE>;
fn handed_on(value: u32, local: u32, distance: u32) -> u32 {
  workgroupBarrier();
  lanes[local] = value;
  workgroupBarrier();
  return lanes[local ^ distance];
}
`;
}

describeGpu('groups that are parts of subgroups, whole ones or several', () => {
  it.each([8, 32, 128])('%i lanes', async (leastSubgroup) => {
    for (const tile of [
      [1, 128],
      [128, 1],
      [128, 128],
    ] as const) {
      const scheme = schemeOf({ tile, recipe: 'divide' });
      const spec = quantizeSpec(131, 132, scheme);
      const inputs = { x: matrix(131, 132, 'bf16') };
      const shaders = { 'kernels/group_max_subgroups_fast': emulatedSubgroups() };
      const gpu = newGpu({ shaders, variants: { 'quantize-tiles': 'subgroups' } });
      const posing = { ...recorder(gpu).gpu, limits: { ...gpu.limits, leastSubgroup }, has: () => true };
      try {
        const got = await kernelOf(spec).webgpu(posing, spec, inputs, 'fast');
        expect(gpu.shaders).toContain('kernels/group_max_subgroups_fast');
        expect(farFrom(got, kernelOf(spec).reference(spec, inputs)), `${tile}`).toBeUndefined();
      } finally {
        await gpu.destroyRun();
      }
    }
  });
});

describe('groups of threads', () => {
  const formats: readonly FormatName[] = ['bf16', 'f32'];
  it.each(formats)('are offered for whole fours of %s alone', (format) => {
    const offered = (columns: number, fields: SchemeFields) => {
      const scheme = schemeOf(fields);
      return fittingVariants(format, columns, tileGrid(256, columns, scheme), scheme).length;
    };
    expect(offered(7168, {})).toBe(3);
    expect(offered(7168, { tile: [128, 1] })).toBe(3);
    for (const fields of [
      { tile: [7, 5] },
      { rounding: 'stochastic' },
      { format: 'e5m6' },
      { recipe: 'nvfp4' },
    ] as const)
      expect(offered(7168, fields)).toBe(1);
    expect(offered(7167, {})).toBe(1);
    expect(offered(7168, { tile: [0, 0] })).toBe(1);
  });

  it('have as many threads as their tiles have work for', () => {
    const grouping = (tile: readonly [number, number]) => groupingOf(tileGrid(512, 7168, schemeOf({ tile })), 64);
    expect(grouping([1, 128])).toMatchObject({ span: 8, stride: 1, width: 8, held: 4 });
    expect(grouping([128, 128])).toMatchObject({ span: 64, stride: 1, width: 32, held: 0 });
    expect(grouping([1, 16])).toMatchObject({ span: 1, stride: 1, width: 1, held: 4 });
    expect(grouping([128, 1])).toMatchObject({ span: 64, stride: 8, width: 1, tilesOfFour: 4 });
  });
});

describeGpu('every variant of the fast dequantize is near the reference', () => {
  const cases = (['e4m3', 'e5m2', 'e2m1'] as const).flatMap((format) =>
    namesOf(dequantizeFamily).map((variant) => [format, variant] as const),
  );
  it.each(cases)('%s, %s: every code, ragged', async (format, variant) => {
    for (const [tile, rows, columns] of [
      [[1, 128], 5, 260],
      [[128, 128], 131, 132],
      [[1, 32], 9, 64],
    ] as const) {
      const scheme = schemeOf({ tile, format, recipe: 'divide' });
      const grid = tileGrid(rows, columns, scheme);
      const inputs = {
        codes: matrix(rows, columns, format, 'bits'),
        scales: matrix(grid.rows, grid.columns, 'f32'),
      };
      for (const output of ['bf16', 'f32'] as const)
        expect(
          await differs([dequantizeFamily], variant, dequantizeSpec(rows, columns, scheme, output), inputs),
          `${tile} ${output}`,
        ).toBeUndefined();
    }
  });

  it.each(namesOf(dequantizeFamily))('%s: on the way to other tiles', async (variant) => {
    const spec = requantizeSpec(131, 132, schemeOf(), schemeOf({ tile: [128, 1] }));
    expect(await differs([dequantizeFamily], variant, spec, { x: matrix(131, 132, 'bf16') })).toBeUndefined();
  });
});

describeGpu('every variant of the fast swiglu-quantize is near the reference', () => {
  it.each(namesOf(swigluFamily))('%s', async (variant) => {
    for (const [tile, format] of [
      [[1, 128], 'bf16'],
      [[128, 128], 'bf16'],
      [[128, 1], 'f32'],
    ] as const) {
      for (const [rows, inter] of ragged) {
        const spec = swigluSpec(rows, inter, { scheme: schemeOf({ tile }), clamp: 1 });
        const x = matrix(rows, 2 * inter, format);
        const weights = matrix(rows, 1, 'f32', 'normal', 3);
        const slots = integers(Array.from({ length: rows }, (_, row) => (row % 4 === 3 ? -1 : row)));
        const odd = withOddRows(rows, 2 * inter, format);
        const whole: Tensors = { x, weights: { ...weights, shape: [rows] }, row_to_slot: slots };
        for (const inputs of [{ x: odd }, whole])
          expect(await differs([swigluFamily], variant, spec, inputs), `${tile} ${rows}x${inter}`).toBeUndefined();
      }
    }
  });

  it.each(namesOf(swigluFamily))('%s: in bands of a few rows', async (variant) => {
    const spec = swigluSpec(300, 132, { scheme: schemeOf({ tile: [16, 1] }) });
    expect(await differs([swigluFamily], variant, spec, { x: matrix(300, 264, 'bf16') }, 16384)).toBeUndefined();
  });
});

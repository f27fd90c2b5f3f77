import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { loadsToCsv, parseLoadsCsv, parseLoadsJson } from '../../src/moe/parse.ts';
import { readRoutings } from '../../src/moe/tensors.ts';
import { bufferSource } from '../../src/tensors/byte-source.ts';
import { openSafetensorsFile, writeTensors } from '../../src/tensors/files.ts';
import { openSafetensors } from '../../src/tensors/safetensors.ts';

describe('loads as CSV', () => {
  it('come back from their own text', () => {
    const series = fc
      .tuple(fc.integer({ min: 1, max: 3 }), fc.integer({ min: 1, max: 3 }), fc.integer({ min: 1, max: 5 }))
      .chain(([steps, layers, experts]) => {
        const row = fc.array(fc.double({ min: 0, max: 1e9, noNaN: true }), { minLength: experts, maxLength: experts });
        const step = fc.array(row, { minLength: layers, maxLength: layers });
        return fc.array(step, { minLength: steps, maxLength: steps });
      });
    fc.assert(
      fc.property(series, (loads) => {
        expect(parseLoadsCsv(loadsToCsv(loads), 'x')).toEqual(
          loads.map((step) => step.map((row) => row.map((load) => load + 0))),
        );
      }),
    );
  });

  it('are a row a layer without a head, with any of three separators and with comments', () => {
    expect(parseLoadsCsv('# two layers\n1,2,3\r\n4;5;6\n\n', 'x')).toEqual([
      [
        [1, 2, 3],
        [4, 5, 6],
      ],
    ]);
  });

  it('are 0 for experts that no row names', () => {
    expect(parseLoadsCsv('expert\tlayer\tcount\n2\t0\t7\n', 'x')).toEqual([[[0, 0, 7]]]);
  });

  it.each([
    ['', /empty/],
    ['1,nan', /line 1/],
    ['1,2\n3,-4', /"-4"/],
    ['1,2\n3', /layer 1 has 1 loads where 2/],
    ['1,,2', /the load is ""/],
    ['layer,expert\n0,1', /the head has the columns layer, expert/],
    ['layer,expert,load\n0,x,1', /expert is "x"/],
    ['layer,expert,load\n0,1,1\n0,1,2', /layer 0, expert 1 comes twice/],
    ['layer,expert,load\n0,9999999,1', /10000000 experts/],
  ])('refuses %j', (text, message) => {
    expect(() => parseLoadsCsv(text, 'x')).toThrow(expect.objectContaining({ kind: 'input' }));
    try {
      parseLoadsCsv(text, 'x.csv');
    } catch (error) {
      expect(`${(error as Error).message} ${(error as { where: string }).where}`).toMatch(message);
    }
  });
});

describe('loads as JSON', () => {
  it('are [layer][expert] or [step][layer][expert], alone or as the field loads', () => {
    expect(parseLoadsJson('[[1,2]]', 'x')).toEqual([[[1, 2]]]);
    expect(parseLoadsJson('{"loads":[[[1,2]],[[3,4]]]}', 'x')).toEqual([[[1, 2]], [[3, 4]]]);
  });

  it.each([
    ['{', /no JSON/],
    ['{}', /no array of loads/],
    ['null', /no array of loads/],
    ['[1,2]', /1 deep/],
    ['[[1,"2"]]', /expert 1 is 2/],
    ['[[1,null]]', /expert 1 is null/],
    ['[[1,2],[3]]', /layer 1 has 1 loads where 2/],
    ['[[[1,2]],[[3,4],[5,6]]]', /step 1 has 2 layers of loads where step 0 has 1/],
    ['[[]]', /no loads/],
    ['[[[1]],3]', /step 1 has no layers/],
  ])('refuses %s', (text, message) => {
    expect(() => parseLoadsJson(text, 'x')).toThrow(message);
  });
});

describe('topk_idx in safetensors', () => {
  let folder = '';
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'fp8lab-topk-'));
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));

  const read = async (path: string, experts: number): ReturnType<typeof readRoutings> => {
    const file = await openSafetensorsFile(path);
    try {
      return await readRoutings(file, experts);
    } finally {
      await file.source.close?.();
    }
  };

  it('are layers in the natural order of their names, masked slots and all', async () => {
    const path = join(folder, 'a.safetensors');
    await writeTensors(path, {
      'topk_idx.10': { dtype: 'I32', shape: [2, 2], codes: Uint32Array.of(7, 6, 5, 4) },
      'topk_idx.9': { dtype: 'I32', shape: [2, 2], codes: Uint32Array.of(0, 1, 2, 0xffffffff) },
      weights: { dtype: 'F32', shape: [1], codes: Uint32Array.of(0) },
    });
    const layers = await read(path, 8);
    expect(layers.map(({ topkIdx }) => Array.from(topkIdx))).toEqual([
      [0, 1, 2, -1],
      [7, 6, 5, 4],
    ]);
    expect(layers[0]).toMatchObject({ tokens: 2, topK: 2, experts: 8 });
  });

  it('leave out the slots that a gate appends for shared experts, and only those', async () => {
    const path = join(folder, 'shared.safetensors');
    await writeTensors(path, {
      topk_idx: {
        dtype: 'I32',
        shape: [3, 4],
        codes: Uint32Array.of(0, 1, 8, 9, 2, 7, 8, 9, 0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff),
      },
    });
    const [layer] = await read(path, 8);
    expect(layer).toMatchObject({ tokens: 3, topK: 2 });
    expect(Array.from(layer!.topkIdx)).toEqual([0, 1, 2, 7, -1, -1]);
    await writeTensors(path, { topk_idx: { dtype: 'I32', shape: [2, 2], codes: Uint32Array.of(0, 8, 1, 9) } });
    await expect(read(path, 8)).rejects.toThrow(/names expert 8 of 8/);
  });

  const wide = (values: readonly bigint[], shape: readonly number[]): Uint8Array => {
    const header = JSON.stringify({ topk_idx: { dtype: 'I64', shape, data_offsets: [0, values.length * 8] } });
    const padded = header.padEnd(Math.ceil(header.length / 8) * 8);
    const bytes = new Uint8Array(8 + padded.length + values.length * 8);
    const view = new DataView(bytes.buffer);
    view.setBigUint64(0, BigInt(padded.length), true);
    bytes.set(new TextEncoder().encode(padded), 8);
    values.forEach((value, at) => {
      view.setBigInt64(8 + padded.length + at * 8, value, true);
    });
    return bytes;
  };

  it('may be 64 bits wide, as torch writes them, and three-dimensional', async () => {
    const file = await openSafetensors(bufferSource(wide([0n, 3n, -1n, 2n], [2, 2, 1]), 'x'));
    const layers = await readRoutings(file, 4);
    expect(layers.map(({ topkIdx }) => Array.from(topkIdx))).toEqual([
      [0, 3],
      [-1, 2],
    ]);
  });

  it('of more than 32 bits are no experts', async () => {
    const file = await openSafetensors(bufferSource(wide([2n ** 32n], [1, 1]), 'x'));
    await expect(readRoutings(file, 4)).rejects.toThrow(/token 0, slot 0/);
  });

  it.each([
    [
      { other: { dtype: 'I32', shape: [1, 1], codes: Uint32Array.of(0) } },
      /no tensor is named topk_idx; the file has "other"/,
    ],
    [{ topk_idx: { dtype: 'F32', shape: [1, 1], codes: Uint32Array.of(0) } }, /dtype is F32/],
    [{ topk_idx: { dtype: 'I32', shape: [2], codes: Uint32Array.of(0, 1) } }, /shape is \[2\]/],
    [{ topk_idx: { dtype: 'I32', shape: [1, 1], codes: Uint32Array.of(4) } }, /names expert 4 of 4/],
    [{ topk_idx: { dtype: 'I32', shape: [1, 5], codes: Uint32Array.of(0, 1, 2, 3, 0) } }, /top-5 of 4 experts/],
  ] as const)('refuses %j', async (tensors, message) => {
    const path = join(folder, 'bad.safetensors');
    await writeTensors(path, tensors);
    await expect(read(path, 4)).rejects.toThrow(message);
    await writeFile(path, '');
  });
});

import { closeSync, ftruncateSync, openSync, readdirSync, readFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { blobSource, bufferSource } from '../../src/tensors/byte-source.ts';
import { createSafetensors, openSafetensorsFile, readTensors, writeTensors } from '../../src/tensors/files.ts';
import { buildHeader } from '../../src/tensors/header.ts';
import { packedBytes } from '../../src/tensors/packing.ts';
import { openSafetensors, readRows, readTensor } from '../../src/tensors/safetensors.ts';
import { allocateCodes, type DType, dtypeBits, elementCount, type Tensor } from '../../src/tensors/tensor.ts';
import { temporaryFolder } from '../helpers/folder.ts';

const dtypes = (Object.keys(dtypeBits) as DType[]).filter((dtype) => dtypeBits[dtype] <= 32);

/** A tensor whose codes count up, within the dtype. */
function counting(dtype: DType, shape: readonly number[], from = 0): Tensor {
  const codes = allocateCodes(dtype, elementCount(shape));
  for (let i = 0; i < codes.length; i++) codes[i] = (from + i * 0x9e3779b1) % 2 ** dtypeBits[dtype];
  return { dtype, shape, codes };
}

/** Shapes that fill whole bytes in every dtype. */
const shapes = fc.oneof(
  fc.tuple(
    fc.nat(5),
    fc.nat(4).map((n) => 4 * n),
  ),
  fc.nat(6).map((n) => [8 * n]),
  fc.tuple(fc.nat(2), fc.nat(3), fc.constant(8)),
);

function lengthOf(head: string): Buffer {
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(head.length));
  return length;
}

describe('safetensors', () => {
  it('what is written is read back: names, dtypes, shapes, codes, metadata', async () => {
    const folder = temporaryFolder();
    const tensor = fc.record({ dtype: fc.constantFrom(...dtypes), shape: shapes, from: fc.nat() });
    const names = fc.string({ unit: 'grapheme', minLength: 1 }).filter((name) => !name.startsWith('__'));
    const texts = fc.dictionary(fc.string(), fc.string(), { noNullPrototype: true });
    const legal = texts.filter((metadata) => !Object.hasOwn(metadata, '__proto__'));
    const property = fc.asyncProperty(fc.dictionary(names, tensor), legal, async (described, metadata) => {
      const tensors = Object.fromEntries(
        Object.entries(described).map(([name, { dtype, shape, from }]) => [name, counting(dtype, shape, from)]),
      );
      const path = join(folder, 'x.safetensors');
      await writeTensors(path, tensors, metadata);
      const back = await readTensors(path);
      expect({ ...back }).toEqual(tensors);
      const file = await openSafetensorsFile(path);
      expect(file.metadata).toMatchObject(metadata);
      await file.source.close();
    });
    await fc.assert(property, { numRuns: 60 });
  });

  it('the same tensors give the same bytes in whatever order they come', async () => {
    const folder = temporaryFolder();
    const a = counting('F8_E4M3', [3, 5]);
    const b = counting('F32', [7]);
    await writeTensors(join(folder, '1'), { a, b }, { x: '1', y: '2' });
    await writeTensors(join(folder, '2'), { b, a }, { y: '2', x: '1' });
    expect(readFileSync(join(folder, '1'))).toEqual(readFileSync(join(folder, '2')));
  });

  it('every tensor lies at a multiple of its element size, the data at a multiple of eight', () => {
    const declarations = dtypes.map((dtype) => ({ name: `t-${dtype}`, dtype, shape: [1, 8] }));
    const { bytes, entries } = buildHeader(declarations, { odd: 'x' });
    expect(bytes.length % 8).toBe(0);
    for (const { dtype, begin } of entries.values()) expect(begin % Math.max(1, dtypeBits[dtype] >> 3)).toBe(0);
  });

  it('rows of a tensor read from a buffer, a Blob and a file are those of the whole tensor', async () => {
    const folder = temporaryFolder();
    for (const dtype of dtypes) {
      const path = join(folder, dtype);
      await writeTensors(path, { before: counting('U8', [3]), t: counting(dtype, [2, 5, 12]) });
      const file = await openSafetensorsFile(path);
      const whole = await readTensor(file, 't');
      const bytes = new Uint8Array(readFileSync(path));
      const sources = [
        file,
        await openSafetensors(bufferSource(bytes)),
        await openSafetensors(blobSource(new Blob([bytes]), 'b')),
      ];
      for (const source of sources) {
        for (const [first, count] of [
          [0, 10],
          [3, 4],
          [9, 1],
          [10, 0],
        ] as const) {
          const rows = await readRows(source, 't', first, count);
          expect(Array.from(rows.codes)).toEqual(Array.from(whole.codes.slice(12 * first, 12 * (first + count))));
        }
      }
      await file.source.close();
    }
  });

  it('E5M6 stands in the file as packed U8 that any other reader can open', async () => {
    const path = join(temporaryFolder(), 'x');
    await writeTensors(path, { x: counting('E5M6', [2, 16]), odd: counting('E5M6', [3, 3]) });
    const bytes = readFileSync(path);
    const header = JSON.parse(bytes.subarray(8, 8 + Number(bytes.readBigUInt64LE(0))).toString());
    expect(header.x).toMatchObject({ dtype: 'U8', shape: [2, 24] });
    expect(header.odd).toMatchObject({ dtype: 'U8', shape: [packedBytes('E5M6', 9)] });
  });

  it('a file of six gigabytes is read by ranges', async () => {
    const path = join(temporaryFolder(), 'large');
    const rows = 3 * 2 ** 20;
    const { bytes, entries, fileSize } = buildHeader([{ name: 'w', dtype: 'BF16', shape: [rows, 1024] }], {});
    const handle = openSync(path, 'w');
    writeSync(handle, bytes);
    ftruncateSync(handle, fileSize);
    writeSync(handle, Uint8Array.of(0x80, 0x3f), 0, 2, entries.get('w')!.end - 2);
    closeSync(handle);
    const file = await openSafetensorsFile(path);
    const before = process.memoryUsage().rss;
    const last = await readRows(file, 'w', rows - 1, 1);
    expect(last.codes[1023]).toBe(0x3f80);
    expect(process.memoryUsage().rss - before).toBeLessThan(50e6);
    await file.source.close();
  });

  it('a missing tensor, a missing file, a folder, rows past the end: each is told', async () => {
    const folder = temporaryFolder();
    const path = join(folder, 'x');
    await writeTensors(path, { a: counting('U8', [2, 2]) });
    const file = await openSafetensorsFile(path);
    await expect(readTensor(file, 'b')).rejects.toMatchObject({ code: 'missing-tensor', exitCode: 4 });
    await expect(readRows(file, 'a', 1, 2)).rejects.toMatchObject({ code: 'out-of-range' });
    await file.source.close();
    await expect(openSafetensorsFile(join(folder, 'y'))).rejects.toMatchObject({ code: 'missing-file', exitCode: 4 });
    await expect(openSafetensorsFile(folder)).rejects.toMatchObject({ code: 'not-a-file' });
  });

  it.each([
    ['I64', 'convert it to I32 first'],
    ['F64', 'convert it to F32 or BF16 first'],
  ] as const)('%s is refused with what to convert it to', async (dtype, fix) => {
    const head = JSON.stringify({ x: { dtype, shape: [1], data_offsets: [0, 8] } });
    const file = await openSafetensors(
      bufferSource(Buffer.concat([lengthOf(head), Buffer.from(head), Buffer.alloc(8)])),
    );
    await expect(readTensor(file, 'x')).rejects.toMatchObject({ code: 'unsupported-dtype', fix });
  });

  it('a write that is given up leaves nothing, neither the name nor a part', async () => {
    const folder = temporaryFolder();
    const writer = await createSafetensors(join(folder, 'x'), [{ name: 'a', dtype: 'U8', shape: [4] }], {});
    await writer.write('a', Uint8Array.of(1, 2));
    expect(readdirSync(folder)).toHaveLength(1);
    await writer.abort();
    expect(readdirSync(folder)).toEqual([]);
  });
});

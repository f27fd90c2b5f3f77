import { createHash } from 'node:crypto';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { RunResult } from '../../src/backends/backend.ts';
import {
  digestTensor,
  type Evidence,
  evidencePath,
  holdAgainst,
  makeEvidence,
  matchingEvidence,
  parseEvidence,
  readEvidence,
  writeEvidence,
} from '../../src/parity/evidence.ts';
import { resolveSpec } from '../../src/specs/resolve.ts';
import type { Tensor, Tensors } from '../../src/tensors/tensor.ts';

const spec = resolveSpec({
  fp8lab: 1,
  kernel: 'quantize',
  name: 'small',
  shape: { rows: 2, columns: 4 },
  x: { input: { generate: 'normal', seed: 1, dtype: 'bf16' } },
  scheme: 'activation-1x128-pow2',
});
const loaded = { label: 'quantize/small', spec };
const tensors: Tensors = {
  codes: { dtype: 'F8_E4M3', shape: [2, 4], codes: Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8) },
  scales: { dtype: 'F32', shape: [2, 1], codes: Uint32Array.of(0x3f800000, 0x40000000) },
};
const result: RunResult = {
  spec: 'small',
  identity: {
    backend: 'native:cuda',
    runtime: 'CUDA 13.0',
    adapter: 'NVIDIA H200',
    software: false,
    details: { sm: 90 },
  },
  tensors,
  times: { total: 3, inputs: 1, kernel: 2 },
};

let folder: string;
let evidence: Evidence;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'fp8lab-evidence-'));
  evidence = await makeEvidence(loaded, result, { version: '0.1.0', recordedAt: new Date(0) });
});

afterAll(() => rm(folder, { recursive: true, force: true }));

describe('evidence', () => {
  it('digests the bytes that a file would hold, sub-byte formats packed', async () => {
    const plain = await digestTensor(tensors.scales!);
    expect(plain.sha256).toBe(
      createHash('sha256')
        .update(Uint8Array.of(0, 0, 128, 63, 0, 0, 0, 64))
        .digest('hex'),
    );
    const packed = await digestTensor({ dtype: 'F4', shape: [3], codes: Uint8Array.of(1, 2, 3) });
    expect(packed.sha256).toBe(createHash('sha256').update(Uint8Array.of(0x21, 0x03)).digest('hex'));
  });

  it('comes back from its folder as it was written', async () => {
    const path = await writeEvidence(folder, evidence);
    expect(path).toBe(join(folder, 'quantize', 'small.native-cuda.json'));
    expect(await readEvidence(folder)).toEqual([evidence]);
    expect(await matchingEvidence([evidence], loaded)).toEqual([evidence]);
    expect(await matchingEvidence([evidence], loaded, 'fast')).toEqual([]);
  });

  it('matches a spec by what it computes, not by its name', async () => {
    expect(await matchingEvidence([evidence], { spec: { ...spec, name: 'other' } })).toHaveLength(1);
    const changed = resolveSpec({ ...spec, shape: { rows: 2, columns: 5 } });
    expect(await matchingEvidence([evidence], { spec: changed })).toHaveLength(0);
  });

  it('a path stays below its folder, whatever a label holds', () => {
    const at = (label: string): string => evidencePath({ ...evidence, spec: { ...evidence.spec, label } });
    expect(at('../../etc/passwd')).not.toContain('..');
    expect(at('/abs')).toBe('abs.native-cuda.json');
    expect(at('gemm/a b:c')).toBe('gemm/a-b-c.native-cuda.json');
  });

  it('equal results are equal; any flipped bit is told with its tensor', async () => {
    expect(await holdAgainst(evidence, tensors)).toEqual({ equal: true, problems: [] });
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 0, max: 63 }), async (bit) => {
        const codes = Uint8Array.from(tensors.codes!.codes);
        codes[bit >> 3]! ^= 1 << (bit & 7);
        const held = await holdAgainst(evidence, { ...tensors, codes: { ...tensors.codes!, codes } });
        expect(held.equal).toBe(false);
        expect(held.problems).toEqual([expect.stringMatching(/^codes: bytes differ: SHA-256 [0-9a-f]{12}, recorded/)]);
      }),
      { numRuns: 64 },
    );
  });

  it.each<[string, Tensors, string]>([
    ['a missing tensor', { codes: tensors.codes as Tensor }, 'scales: recorded, but not among the results'],
    [
      'a tensor too many',
      { ...tensors, extra: tensors.scales as Tensor },
      'extra: among the results, but not recorded',
    ],
    ['another shape', { ...tensors, codes: { ...tensors.codes!, shape: [8] } }, 'codes: shape is [8], recorded [2, 4]'],
    [
      'another dtype',
      { ...tensors, codes: { ...tensors.codes!, dtype: 'U8' } },
      'codes: dtype is U8, recorded F8_E4M3',
    ],
  ])('%s is told', async (_, actual, problem) => {
    expect((await holdAgainst(evidence, actual)).problems).toEqual([problem]);
  });
});

describe('a file of evidence', () => {
  const text = (): string => JSON.stringify(evidence);

  it('cut short anywhere is refused', async () => {
    const whole = text();
    for (let length = 0; length < whole.length; length += 37) {
      await expect(parseEvidence(whole.slice(0, length), 'e.json')).rejects.toMatchObject({
        code: 'bad-evidence',
        kind: 'input',
      });
    }
  });

  it('with one character changed is refused', async () => {
    const whole = text();
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 0, max: whole.length - 1 }),
        fc.constantFrom('0', 'a', '"', ',', '}'),
        async (at, character) => {
          if (whole[at] === character) return;
          const altered = whole.slice(0, at) + character + whole.slice(at + 1);
          await expect(parseEvidence(altered, 'e.json')).rejects.toMatchObject({
            name: 'Fp8labError',
            kind: 'input',
            where: 'e.json',
          });
        },
      ),
      { numRuns: 300 },
    );
  });

  it.each([
    ['[]', 'evidence-version'],
    ['null', 'evidence-version'],
    ['{"schemaVersion": 2}', 'evidence-version'],
    ['{"schemaVersion": 1}', 'bad-evidence'],
  ])('%s is refused', async (content, code) => {
    await expect(parseEvidence(content, 'e.json')).rejects.toMatchObject({ code });
  });

  it('that says something else than it was recorded as is refused', async () => {
    const forged = JSON.stringify({ ...evidence, backend: { ...evidence.backend, adapter: 'NVIDIA H100' } });
    await expect(parseEvidence(forged, 'e.json')).rejects.toMatchObject({ code: 'evidence-altered' });
  });

  it('and a folder without any are named in the error', async () => {
    await expect(readEvidence(join(folder, 'nowhere'))).rejects.toMatchObject({ code: 'no-evidence' });
    const broken = await mkdtemp(join(tmpdir(), 'fp8lab-evidence-'));
    await expect(readEvidence(broken)).rejects.toMatchObject({ code: 'no-evidence' });
    await writeFile(join(broken, 'x.json'), '{');
    await expect(readEvidence(broken)).rejects.toMatchObject({ where: join(broken, 'x.json') });
    await rm(broken, { recursive: true });
  });

  it('cannot be written into a file as if it were a folder, and says so', async () => {
    const file = join(folder, 'plain');
    await writeFile(file, 'x');
    await expect(writeEvidence(file, evidence)).rejects.toMatchObject({ code: 'cannot-write', kind: 'environment' });
    expect(await readFile(file, 'utf8')).toBe('x');
  });
});

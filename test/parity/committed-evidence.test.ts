import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createNativeServer } from '../../src/backends/native-server.ts';
import { availableBackends } from '../../src/backends/registry.ts';
import { filesBelow } from '../../src/bundle/contents.ts';
import { type Evidence, holdAgainst, matchingEvidence, readEvidence } from '../../src/parity/evidence.ts';
import { shippedSpecs } from '../../src/specs/load.ts';

const root = (path: string): string => fileURLToPath(new URL(`../../${path}`, import.meta.url));
const folders = readdirSync(root('evidence')).map((name) => ({ name, path: root(`evidence/${name}`) }));
const lacksNative = availableBackends().some(({ name, missing }) => name === 'native:host' && missing !== undefined);

const sha256 = (path: string): string => createHash('sha256').update(readFileSync(path)).digest('hex');

/** `sha256  ./path` of every file but the list itself. */
function listOf(path: string): string[] {
  return filesBelow(path)
    .filter((name) => name !== 'SHA256SUMS')
    .map((name) => `${sha256(join(path, name))}  ./${name}`)
    .sort();
}

describe.each(folders)('evidence/$name', ({ path }) => {
  let evidence: Evidence[];
  beforeAll(async () => {
    evidence = await readEvidence(join(path, 'parity'));
  });

  it('is as it was recorded, file by file', () => {
    const recorded = readFileSync(join(path, 'SHA256SUMS'), 'utf8').trim().split('\n').sort();
    expect(listOf(path)).toEqual(recorded);
  });

  it('has the same digests from the runner alone and from parity', () => {
    const lines = readFileSync(join(path, 'digests.jsonl'), 'utf8').trim().split('\n');
    const alone = new Map(lines.map((line) => JSON.parse(line)).map((it) => [`${it.kernel}/${it.spec}`, it.tensors]));
    const native = evidence.filter(({ backend }) => backend.backend.startsWith('native:'));
    expect(native.length).toBe(alone.size);
    for (const { spec, tensors } of native) expect(alone.get(spec.label), spec.label).toEqual(tensors);
  });

  describe.skipIf(lacksNative)('against this machine', () => {
    const server = createNativeServer('native:host');
    afterAll(() => server.close());

    it('holds for every shipped spec that is in it', { timeout: 120_000 }, async () => {
      const specs = (await shippedSpecs(root('specs'))).filter(({ spec }) => !spec.large);
      const problems: string[] = [];
      let held = 0;
      for (const loaded of specs) {
        const pieces = await matchingEvidence(evidence, loaded);
        if (pieces.length === 0) continue;
        const { tensors } = await server.run(loaded.spec);
        for (const piece of pieces) {
          held++;
          problems.push(
            ...(await holdAgainst(piece, tensors)).problems.map((problem) => `${loaded.label}: ${problem}`),
          );
        }
      }
      expect(problems).toEqual([]);
      expect(held).toBeGreaterThan(200);
    });
  });
});

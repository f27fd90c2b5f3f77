import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { type FuzzCase, type Random, randomOf, safetensorsCase, specCase } from '../../scripts/lib/fuzz.mjs';
import * as api from '../../src/index.ts';
import type { TensorEntry } from '../../src/tensors/header.ts';

const specFolder = fileURLToPath(new URL('../../specs', import.meta.url));
const specs = readdirSync(specFolder, { recursive: true, encoding: 'utf8' })
  .filter((name) => name.endsWith('.json') && !name.startsWith('vectors'))
  .map((name) => JSON.parse(readFileSync(join(specFolder, name), 'utf8')))
  .filter((value) => value.fp8lab === 1 && value.kernel !== undefined);

/** Runs cases and counts their outcomes. */
async function outcomes(cases: number, one: (random: Random) => Promise<FuzzCase>): Promise<Map<string, number>> {
  const counts = new Map<string, number>();
  for (let seed = 1; seed <= cases; seed++) {
    const { outcome } = await one(randomOf(seed));
    counts.set(outcome, (counts.get(outcome) ?? 0) + 1);
  }
  return counts;
}

describe('fuzzing', () => {
  it('the safetensors parser accepts what is valid and refuses the rest with its own error', async () => {
    const counts = await outcomes(20_000, (random) => safetensorsCase(api, random));
    expect(counts.get('accepted')).toBeGreaterThan(4000);
    // Most kinds of refusal are reached, so the mutations are worth something.
    expect(counts.size).toBeGreaterThan(15);
  });

  it('the spec resolver accepts what is valid and refuses the rest with its own error', async () => {
    expect(specs.length).toBeGreaterThan(0);
    const counts = await outcomes(3000, (random) => specCase(api, random, specs));
    expect(counts.get('accepted')).toBeGreaterThan(700);
    expect(counts.size).toBeGreaterThan(4);
  });

  it('a parser that takes trailing bytes would be caught', async () => {
    const lenient = {
      ...api,
      openSafetensors: async (source: { size: number; read(offset: number, length: number): Promise<Uint8Array> }) => {
        const bytes = await source.read(0, source.size);
        const end = 8 + Number(new DataView(bytes.buffer).getBigUint64(0, true));
        const file = await api.openSafetensors(api.bufferSource(bytes)).catch((error) => {
          if (error.code !== 'trailing-bytes') throw error;
          return { entries: new Map<string, TensorEntry>(), end };
        });
        return file;
      },
    };
    await expect(outcomes(2000, (random) => safetensorsCase(lenient, random))).rejects.toThrow(/belong to no tensor/);
  });
});

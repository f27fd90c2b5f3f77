import { describe, expect, it } from 'vitest';
import { createInlineReference } from '../../../src/backends/reference.ts';
import { readOptions } from '../../../src/studies/options.ts';
import { runCases, runStudy } from '../../../src/studies/run.ts';
import type { CaseStore, Row } from '../../../src/studies/study.ts';
import { corpusOf, shippedCorpus, validationBatches } from '../../../src/studies/training/corpus.ts';
import { trainingOptions } from '../../../src/studies/training/options.ts';
import { distance, smooth } from '../../../src/studies/training/present.ts';
import { training } from '../../../src/studies/training/study.ts';

/** A model that takes milliseconds a step. */
const small = { layers: 1, hidden: 64, expertWidth: 16, sequences: 2, length: 32, engine: 'wasm', learningRate: 0.01 };
const options = (given: Readonly<Record<string, unknown>>) => readOptions(trainingOptions, { ...small, ...given });

function memoryStore(): CaseStore & { readonly files: Map<string, Uint8Array> } {
  const files = new Map<string, Uint8Array>();
  return {
    files,
    place: (name) => `memory: ${name}`,
    load: async (name) => files.get(name),
    save: async (name, bytes) => {
      files.set(name, bytes);
    },
  };
}

/** Runs until the row of a step was shown, then interrupts. */
async function interruptAt(step: number, given: Readonly<Record<string, unknown>>, store: CaseStore): Promise<unknown> {
  const stop = new AbortController();
  const onRow = (row: Row) => row.step === step && stop.abort();
  return runStudy(training, { options: options(given), store, signal: stop.signal, onRow }).catch((error) => error);
}

describe('the training study', () => {
  it('lowers the loss in every precision, and keeps FP8 close to bf16', { timeout: 120_000 }, async () => {
    const given = options({ steps: 60, precisions: 'bf16,fp8,f32,f32-reordered' });
    const rows = await runStudy(training, { options: given });
    const last = (run: string) => rows.findLast((row) => row.run === run)!;
    for (const run of ['bf16', 'fp8', 'f32', 'f32-reordered']) {
      expect(Number(rows.find((row) => row.run === run)!.loss)).toBeGreaterThan(4.2);
      expect(Number(last(run).smoothed_loss)).toBeLessThan(3.4);
      expect(Number(last(run).validation_loss)).toBeLessThan(3.5);
    }
    const losses = new Set(['bf16', 'fp8', 'f32', 'f32-reordered'].map((run) => last(run).loss));
    expect(losses.size).toBe(4);
    const { tables, findings, charts } = training.present(rows, given);
    expect(tables[0]!.rows.map(([run]) => run)).toEqual(['bf16', 'fp8', 'f32', 'f32-reordered']);
    const said = findings.find(({ text }) => text.startsWith('fp8'))!;
    expect(said.published).toContain('0.25 %');
    const share = Number(/([+-][\d.]+) % from bf16/.exec(said.text)![1]);
    expect(Math.abs(share)).toBeLessThan(3);
    expect(charts.map(({ name }) => name)).toEqual(['training-loss', 'training-difference']);
  });

  it.each(['fp8', 'bf16'])('%s: a run that was interrupted goes on with the same bits', async (precisions) => {
    const given = { steps: 12, precisions };
    const whole = await runStudy(training, { options: options(given) });
    const store = memoryStore();
    expect(await interruptAt(5, given, store)).toMatchObject({ code: 'interrupted' });
    expect(store.files.size).toBe(1);
    const shown: unknown[] = [];
    const run = { options: options(given), store, onRow: (row: Row) => shown.push(row.step) };
    expect(await runStudy(training, run)).toEqual(whole);
    expect(shown).toEqual([6, 7, 8, 9, 10, 11, 12]);
    shown.length = 0;
    expect(await runStudy(training, run)).toEqual(whole);
    expect(shown).toEqual([]);
  });

  it('refuses the state of a run with other settings and says which, and one that is cut', async () => {
    const store = memoryStore();
    const run = (given: Readonly<Record<string, unknown>>) => runStudy(training, { options: options(given), store });
    await run({ steps: 2, precisions: 'fp8' });
    await expect(run({ steps: 3, precisions: 'fp8' })).rejects.toMatchObject({
      code: 'other-settings',
      message: 'the state is of a run with settings.steps 2, not 3',
      where: 'memory: fp8, seed 1',
    });
    const [name, bytes] = Array.from(store.files)[0]!;
    store.files.set(name, bytes.subarray(0, bytes.length - 4));
    await expect(run({ steps: 2, precisions: 'fp8' })).rejects.toMatchObject({
      kind: 'input',
      where: expect.stringContaining('memory'),
    });
  });

  it('computes FP8 products on a backend where one is named', async () => {
    const given = options({ steps: 1, precisions: 'fp8', engine: 'native:host', sequences: 1, length: 8 });
    const rows = await runStudy(training, { options: given, backend: () => createInlineReference('test') });
    expect(rows[0]!.engine).toBe('native:host, hopper-wgmma-fp8 promoted every 128');
    const host = await runStudy(training, {
      options: options({ steps: 1, precisions: 'fp8', sequences: 1, length: 8 }),
    });
    expect(rows[0]!.loss).not.toBe(host[0]!.loss);
    expect(Number(rows[0]!.loss)).toBeCloseTo(Number(host[0]!.loss), 2);
  });

  it('adds a run for every ablation, and refuses one that f32 sums cannot show', async () => {
    const given = options({ steps: 1, precisions: 'bf16', blockwiseGradients: true, perTensor: true });
    const cases = await runCases(training, { options: given });
    expect(cases.map(({ rows }) => rows[0]!.run)).toEqual(['bf16', 'fp8, 128x128 gradients', 'fp8, per tensor']);
    const without = options({ steps: 1, precisions: 'bf16', noPromotion: true });
    await expect(runStudy(training, { options: without })).rejects.toMatchObject({
      kind: 'usage',
      where: '--no-promotion',
    });
    expect(() => training.cases(options({ hidden: 100 }), [])).toThrow(/multiple of 64/);
  });

  it('gives each seed weights and batches of its own, and each run of a seed the same', async () => {
    const given = options({ steps: 1, precisions: 'f32,bf16', seeds: '1,2' });
    const rows = await runStudy(training, { options: given });
    const [f32, bf16, other] = rows.map((row) => Number(row.loss));
    expect(Math.abs(f32! - bf16!)).toBeLessThan(0.01);
    expect(Math.abs(f32! - other!)).toBeGreaterThan(0.01);
  });
});

describe('what the training study is told by', () => {
  it('smooths by an exponential average that starts at the first loss', () => {
    expect(smooth([4, 3, 3])).toEqual(
      [4, 0.9 * 4 + 0.1 * 3, 0.9 * (0.9 * 4 + 0.1 * 3) + 0.1 * 3].map((x) => expect.closeTo(x, 12)),
    );
  });

  it('measures the second half alone', () => {
    const { mean, most } = distance([9, 9, 2.02, 1.97], [1, 1, 2, 2]);
    expect(mean).toBeCloseTo((0.01 - 0.015) / 2, 12);
    expect(most).toBeCloseTo(0.015, 12);
  });
});

describe('the text', () => {
  it('is whole, and its end is held out', async () => {
    const { vocabulary, training: tokens, validation } = await shippedCorpus();
    expect(tokens.length + validation.length).toBe(382_591);
    expect(vocabulary).toHaveLength(83);
    const text = Array.from(tokens.subarray(0, 7), (token) => vocabulary[token]).join('');
    expect(text).toBe('PREFACE');
  });

  it('held-out batches follow each other and expect the next token', () => {
    const corpus = corpusOf('abcdefghij'.repeat(50));
    const batches = validationBatches(corpus, 24, 2, 8);
    expect(batches.map(({ sequences }) => sequences)).toEqual([2, 1]);
    for (const { inputs, expected } of batches) {
      inputs.forEach((token, i) => {
        expect(expected[i]).toBe((token + 1) % 10);
      });
    }
  });
});

import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { whyQuestions } from '../../src/simulate/names.ts';
import * as published from '../../src/simulate/published.ts';
import { whyData } from '../../src/simulate/why-data.ts';

const page = readFileSync('docs/simulation.md', 'utf8');

/** A row of the page's table: figure, published, simulated. */
function pageRow(what: string): string[] {
  const line = page.split('\n').find((text) => text.startsWith(`| ${what} |`));
  return (line ?? '').split('|').map((cell) => cell.trim());
}

let run: ReturnType<typeof published.simulatedTraining> | undefined;
const training = () => {
  run ??= published.simulatedTraining();
  return run;
};

const held = [
  ['normal all-to-all', published.normalBandwidths],
  ['second version', published.secondBandwidths],
  ['low-latency all-to-all', published.lowLatencies],
  ['kernels of the training profile', published.profiledKernels],
  ['all-to-all of the training profile', published.profiledAllToAll],
  ['chunks of the training profile', () => published.profiledTraining(training())],
  ['prefill of equal loads', published.servedPrefill],
  ['served decode', published.servedDecode],
  ['gains of two micro-batches', published.overlapGains],
] as const;

const missed = [
  ['dispatch beside the experts', published.profiledDispatch],
  ['pre-training', () => published.trained(training())],
  ['prefill in service', published.averagePrefill],
] as const;

/** Simulated once for both tests. */
const results = new Map<() => published.Comparison[], published.Comparison[]>();
function once(compare: () => published.Comparison[]): published.Comparison[] {
  if (!results.has(compare)) results.set(compare, compare());
  return results.get(compare)!;
}

describe('published figures', () => {
  it.each(held)(
    '%s: within 20 %',
    (_, compare) => {
      for (const { what, published: figure, simulated, error } of once(compare)) {
        expect(error).toBeCloseTo(simulated / figure - 1, 12);
        expect(Math.abs(error), what).toBeLessThan(0.2);
      }
    },
    120_000,
  );

  it.each([...held, ...missed])(
    '%s: the page tells each error as it is',
    (_, compare) => {
      for (const { what, published: figure, error } of once(compare)) {
        const [, , told, , percent] = pageRow(what);
        expect(told?.replaceAll(',', ''), what).toContain(String(figure));
        expect(Number(percent!.replace(' %', '').replace('\u2212', '-')), what).toBeCloseTo(100 * error, 0.9);
      }
    },
    240_000,
  );
});

describe('why', () => {
  it.each(whyQuestions)(
    '%s: the page says what the command says, with its plot',
    (question) => {
      const { answer, points, rows } = whyData(question);
      expect(page).toContain(`> ${answer}`);
      expect(page).toContain(`(pictures/why-${question}.svg)`);
      expect(rows).toHaveLength(points.length);
      const picture = readFileSync(`docs/pictures/why-${question}.svg`, 'utf8');
      // Long text is broken into lines.
      expect(picture.replace(/<\/text>\s*<text[^>]*>/g, ' ')).toContain(answer);
    },
    120_000,
  );
});

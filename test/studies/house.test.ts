import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseHTML } from 'linkedom';
import { describe, expect, it } from 'vitest';
import type { Chart } from '../../src/studies/chart.ts';
import { drawChart } from '../../src/studies/draw.ts';
import { studies } from '../../src/studies/index.ts';
import { readOptions } from '../../src/studies/options.ts';
import { runCases, runStudy } from '../../src/studies/run.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));

function sources(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    return entry.isDirectory() ? sources(path) : [path];
  });
}

describe('studies', () => {
  it('run in a page: they import nothing of Node', () => {
    const guilty = sources(join(root, 'src/studies')).filter((path) =>
      /from '(?:node:|cli-progress|linkedom)/.test(readFileSync(path, 'utf8')),
    );
    expect(guilty).toEqual([]);
  });

  it.each(studies.map((study) => [study.name, study] as const))(
    '%s has cases of unique labels, whose order does not change',
    (_, study) => {
      const options = readOptions(study.options, {});
      const labels = (): string[] => study.cases(options, study.inputs ?? []).map(({ label }) => label);
      expect(labels().length).toBeGreaterThan(0);
      expect(new Set(labels()).size).toBe(labels().length);
      expect(labels()).toEqual(labels());
    },
  );

  it('parts are disjoint and cover the whole, for any number of parts', async () => {
    const study = studies.find(({ name }) => name === 'granularity')!;
    const options = readOptions(study.options, { rows: 16, columns: 32 });
    const whole = await runStudy(study, { options });
    for (const count of [1, 2, 5, 40]) {
      const parts = await Promise.all(
        Array.from({ length: count }, (_, i) => runCases(study, { options, part: { index: i + 1, count } })),
      );
      const cases = parts.flat().sort((a, b) => a.index - b.index);
      expect(cases.flatMap(({ rows }) => rows)).toEqual(whole);
    }
  });
});

describe('a chart', () => {
  const { document } = parseHTML('<!doctype html><html><body></body></html>');
  const lines: Chart = {
    name: 'lines',
    title: 'A <title> & more',
    kind: 'lines',
    x: { label: 'K', scale: 'log', base: 2 },
    y: { label: 'error', unit: 'dB', scale: 'log', percent: true },
    panels: [
      {
        title: '',
        series: [
          { name: 'one', points: [1, 2, 4].map((x) => ({ x, y: x / 100 })) },
          { name: 'two', points: [1, 2, 4].map((x) => ({ x, y: x === 2 ? null : x / 50 })) },
          { name: 'nothing', points: [{ x: 1, y: 0 }] },
        ],
      },
    ],
  };

  it('has its title, its axes with units and a legend of what can be drawn', () => {
    const text = drawChart(lines, document as unknown as Document).outerHTML;
    expect(text).toContain('A &lt;title&gt; &amp; more');
    expect(text).toContain('error (dB)');
    expect(text).toContain('>one<');
    expect(text).toContain('>two<');
    expect(text).not.toContain('>nothing<');
    expect(text).toContain('role="img"');
  });

  it('tells series apart without colour: dashes and symbols differ', () => {
    const element = drawChart(lines, document as unknown as Document);
    const of = (label: string, attribute: string): (string | null)[] =>
      Array.from(element.querySelectorAll(`g[aria-label="${label}"]`), (group) =>
        attribute === 'd' ? (group.querySelector('path, circle')?.outerHTML ?? null) : group.getAttribute(attribute),
      );
    // A line and its sample in the legend for each series.
    expect(new Set(of('line', 'stroke-dasharray')).size).toBe(2);
    const shapes = of('dot', 'd').map((text) => text?.replace(/transform="[^"]*"|c[xy]="[^"]*"/g, ''));
    expect(new Set(shapes).size).toBeGreaterThanOrEqual(2);
  });

  it('is the same text every time', () => {
    const text = (): string => drawChart(lines, document as unknown as Document).outerHTML;
    expect(text()).toBe(text());
  });
});

describe('docs/studies.md', () => {
  const page = readFileSync(join(root, 'docs/studies.md'), 'utf8');
  const pictures = Array.from(page.matchAll(/\]\((pictures\/[^)]+\.svg)\)/g), (match) => match[1]!);

  it('shows every picture of the folder, each with the command that made it', () => {
    const folder = join(root, 'docs/pictures/studies');
    expect(pictures.map((path) => path.split('/').at(-1)).sort()).toEqual(readdirSync(folder).sort());
    for (const path of pictures) {
      const svg = readFileSync(join(root, 'docs', path), 'utf8');
      const command = /<desc>made by: ([^<]+)<\/desc>/.exec(svg)![1]!;
      expect(page, `${path} in ${dirname(path)}`).toContain(command);
    }
  });

  it('tells of every study', () => {
    for (const { name } of studies) expect(page).toContain(`fp8lab study ${name}`);
  });
});

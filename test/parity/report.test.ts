import { Buffer } from 'node:buffer';
import { parseHTML } from 'linkedom';
import { PNG } from 'pngjs';
import { beforeAll, describe, expect, it } from 'vitest';
import { bitsOf } from '../../src/numerics/f32.ts';
import { differenceMap } from '../../src/parity/report/heat-map.ts';
import { duration, html, measured, percent } from '../../src/parity/report/html.ts';
import { type ReportInput, renderReport } from '../../src/parity/report.ts';
import type { Tensor } from '../../src/tensors/tensor.ts';
import { sampleReport } from './report-fixture.ts';

let input: ReportInput;
let page: string;
let document: Document;

const parse = (text: string): Document => parseHTML(text).document as unknown as Document;
const texts = (selector: string, root: ParentNode = document): string[] =>
  Array.from(root.querySelectorAll(selector), (element) => element.textContent!.replace(/\s+/g, ' ').trim());

beforeAll(async () => {
  input = await sampleReport();
  page = renderReport(input);
  document = parse(page);
});

describe('the report', () => {
  it('opens with the verdict, and says who ran what, where and when', () => {
    expect(texts('h1')[0]).toContain('2 of 8 comparisons differ');
    expect(texts('header')[0]).toMatch(
      /1 run failed.*2026-11-24 09:30 UTC.*fp8lab 0\.1\.0.*Linux x64.*1 min 23 s.*fp8lab parity --report/,
    );
  });

  it('has a row a spec and a column a backend, with elements, differing bits and time', () => {
    const table = document.querySelector('.results table')!;
    expect(texts('thead th', table)).toEqual(['spec', 'reference', 'webgpu:node', 'webgpu:deno', 'webgpu:chromium']);
    const rows = Array.from(table.querySelectorAll('tbody tr'), (row) => texts('td', row)).filter(
      (row) => row.length > 0,
    );
    expect(rows).toHaveLength(3);
    expect(rows[0]).toEqual([
      '211,800 elements840 ms',
      expect.stringMatching(/^≠ [\d,]+ differ1\.2 s$/),
      '✓ equal1.2 s',
      '✓ equal1 min 1 s',
    ]);
    expect(rows[2]![3]).toBe('! device-lost');
  });

  it('needs no network and no script, and every link leads somewhere in the page', () => {
    expect(document.querySelectorAll('script, link, iframe, object')).toHaveLength(0);
    expect(page.replaceAll('http://www.w3.org/', '')).not.toMatch(/https?:|url\(/);
    for (const image of document.querySelectorAll('img'))
      expect(image.getAttribute('src')).toMatch(/^data:image\/png;base64,/);
    const targets = Array.from(document.querySelectorAll('a'), (link) => link.getAttribute('href')!);
    expect(targets.length).toBeGreaterThan(3);
    for (const target of targets) expect(document.getElementById(target.slice(1)), target).not.toBeNull();
  });

  it('escapes what it was given', () => {
    expect(page).not.toContain('<script>');
    expect(texts('article p').join()).toContain('<script>alert(1)</script>');
    expect(texts('#failures ~ article').join()).toContain('<reset by the driver>');
  });

  it('a failure shows its code, where, and what to do', () => {
    const failure = document.querySelector('[id^="failure-"]')!;
    expect(texts('dd', failure)).toEqual([
      'device-lost',
      'webgpu:chromium, dispatch kernels/gemm',
      'run again with --adapter software, or with a longer --timeout',
    ]);
  });

  it('a comparison that differs has a heat map, a histogram, metrics, its worst elements and their derivation', () => {
    const articles = Array.from(document.querySelectorAll('article.card')).filter(
      (article) => !article.id.startsWith('failure'),
    );
    expect(articles).toHaveLength(2);
    for (const article of articles) {
      expect(article.querySelector('figure.map img')!.getAttribute('alt')).toMatch(
        /Heat map of .* differing elements in/,
      );
      expect(article.querySelector('figure.histogram svg')!.getAttribute('aria-label')).toMatch(/by ULP distance: /);
      expect(texts('dt', article)).toContain('Signal to noise');
      expect(article.querySelectorAll('.element')).toHaveLength(3);
    }
    expect(texts('.derivation', articles[0]).join()).toMatch(
      /amax.*fl\(amax \/ max e4m3\).*fl\(x \/ scale\).*of the step from/,
    );
    expect(texts('.derivation', articles[1]).join()).toMatch(
      /Block k = 0 to 127.*32 products.*fma\(s, partial, acc\).*Output/,
    );
  });

  it('each derivation ends in the bits that were expected', () => {
    for (const element of document.querySelectorAll('.element')) {
      const expected = element.querySelector('summary code')!.textContent;
      const last = Array.from(element.querySelectorAll('.derivation > :last-child li')).at(-1)!;
      expect(last.querySelector('code')!.textContent).toBe(expected);
    }
  });

  it('says in words that a software adapter is a CPU, and why a backend is absent', () => {
    const rows = texts('#backends + .scroll tr');
    expect(rows.find((row) => row.startsWith('webgpu:node'))).toContain('Software: a CPU computes in place of a GPU');
    expect(rows.find((row) => row.startsWith('native:cuda'))).toContain('no CUDA device is here');
    expect(rows.find((row) => row.startsWith('reference'))).not.toContain('Software');
  });

  it('folds the digests of the reference, all of them', () => {
    const section = document.querySelector('#digests ~ details')!;
    expect(section.hasAttribute('open')).toBe(false);
    expect(texts('tbody tr', section)).toHaveLength(4);
    expect(texts('code', section).every((digest) => /^[0-9a-f]{64}$/.test(digest))).toBe(true);
  });

  it('is navigable without sight: one h1, no heading level skipped, captions, scopes, labelled regions', () => {
    const levels = Array.from(document.querySelectorAll('h1, h2, h3, h4, h5, h6'), ({ tagName }) => Number(tagName[1]));
    expect(levels.filter((level) => level === 1)).toHaveLength(1);
    levels.forEach((level, i) => {
      if (i > 0) expect(level - levels[i - 1]!).toBeLessThanOrEqual(1);
    });
    for (const cell of document.querySelectorAll('th'))
      expect(cell.getAttribute('scope')).toMatch(/^(col|row|rowgroup)$/);
    for (const region of document.querySelectorAll('.scroll')) {
      expect([region.getAttribute('tabindex'), region.getAttribute('role')]).toEqual(['0', 'region']);
      expect(region.getAttribute('aria-label')).toBeTruthy();
    }
    expect(document.documentElement.getAttribute('lang')).toBe('en');
    const ids = Array.from(document.querySelectorAll('[id]'), ({ id }) => id);
    expect(new Set(ids).size).toBe(ids.length);
  });

  it('stays under 2 MB with more differences than it shows, and says how many are left out', () => {
    const { run } = input;
    const many = Array.from({ length: 40 }, (_, i) => {
      const difference = run.differences[i % 2]!;
      return { ...difference, spec: { ...difference.spec, label: `${difference.spec.label}-${i}` } };
    });
    const entries = many.map(({ spec, backend, comparison }) => ({
      spec: spec.label,
      backend,
      tier: 'exact' as const,
      elements: comparison.elements,
      mismatches: comparison.mismatches,
      comparison,
    }));
    const big = renderReport({
      ...input,
      run: { ...run, specs: many.map(({ spec }) => spec), entries, differences: many },
    });
    expect(big.length).toBeLessThan(2_000_000);
    expect(texts('#differences + p', parse(big))[0]).toContain('28 more comparisons are in the table alone');
  });

  it('without anything wrong says that every bit is equal, and has no section of troubles', () => {
    const entries = input.run.entries.filter(({ mismatches, error }) => mismatches === 0 && error === undefined);
    const good = parse(renderReport({ ...input, run: { ...input.run, entries, differences: [] } }));
    expect(texts('h1', good)[0]).toContain('Every bit is equal');
    expect(good.querySelector('#differences, #failures, #evidence')).toBeNull();
  });

  it('with the reference alone does not claim equality', () => {
    const entries = input.run.entries.filter(({ backend }) => backend === 'reference');
    const alone = parse(renderReport({ ...input, run: { ...input.run, entries, differences: [] } }));
    expect(texts('h1', alone)[0]).toContain('Nothing was compared');
  });

  it('results that differ from the evidence are in the verdict and come first', () => {
    const evidence = [
      { spec: 'gemm/a', backend: 'webgpu:node', recorder: 'native:cuda, NVIDIA H200', equal: true, message: '' },
      {
        spec: 'gemm/b',
        backend: 'webgpu:node',
        recorder: 'native:cuda, NVIDIA H200',
        equal: false,
        message: 'd: bytes differ',
      },
    ];
    const entries = input.run.entries.filter(({ mismatches, error }) => mismatches === 0 && error === undefined);
    const held = parse(renderReport({ ...input, evidence, run: { ...input.run, entries, differences: [] } }));
    expect(texts('h1', held)[0]).toContain('1 result differs from the evidence');
    expect(texts('#evidence ~ details tbody tr', held)[0]).toContain(
      'native:cuda, NVIDIA H200≠ differs d: bytes differ',
    );
  });

  it('an element that cannot be worked out says why and spoils nothing else', () => {
    const differences = input.run.differences.map((difference) => ({
      ...difference,
      inputs: { y: difference.expected.d ?? difference.expected.codes! },
    }));
    const partial = parse(renderReport({ ...input, run: { ...input.run, differences } }));
    expect(texts('.element', partial).every((text) => text.includes('It cannot be worked out here'))).toBe(true);
    expect(partial.querySelectorAll('figure.map')).toHaveLength(2);
  });

  it('of the fast tier measures and does not judge', async () => {
    const fast = await sampleReport({ tier: 'fast' });
    const entries = fast.run.entries.filter(({ error }) => error === undefined);
    const measuredPage = parse(renderReport({ ...fast, run: { ...fast.run, entries } }));
    expect(texts('h1', measuredPage)[0]).toContain('Fast tier, measured against exact');
    const rows = texts('#tolerance ~ .scroll tbody tr', measuredPage);
    expect(rows.some((row) => row.includes('gemm/positive-mean') && row.includes('dB') && row.includes('yes'))).toBe(
      true,
    );
  });
});

describe('a heat map', () => {
  it('keeps a single differing element of a large matrix, at its place', () => {
    const codes = new Uint32Array(1000 * 3000).fill(bitsOf(1));
    const expected: Tensor = { dtype: 'F32', shape: [10, 100, 3000], codes };
    const other = codes.slice();
    other[777 * 3000 + 1234] = bitsOf(1) + 5;
    const map = differenceMap(expected, { ...expected, codes: other });
    expect([map.gridRows, map.gridColumns]).toEqual([125, 125]);
    const cells = Array.from(map.distance.keys()).filter((cell) => map.distance[cell]! > 0);
    expect(cells).toEqual([Math.floor(777 / 8) * 125 + Math.floor(1234 / 24)]);
    expect(map.distance[cells[0]!]).toBe(5);
  });

  it('is a PNG of a pixel a cell, in which equal and differing cells have other colours', () => {
    const source = document.querySelector('figure.map img')!.getAttribute('src')!;
    const png = PNG.sync.read(Buffer.from(source.split(',')[1]!, 'base64'));
    expect([png.width, png.height]).toEqual([117, 100]);
    const colours = new Set(Array.from({ length: png.width * png.height }, (_, i) => png.data.readUIntBE(4 * i, 3)));
    expect(colours.size).toBe(4);
  });
});

describe('markup', () => {
  it('escapes text and leaves markup', () => {
    expect(html`<p title="${'"<&>\''}">${html`<b>${'<i>'}</b>`}${[1, false, undefined, 'x']}</p>`.markup).toBe(
      '<p title="&quot;&lt;&amp;&gt;&#39;"><b>&lt;i&gt;</b>1x</p>',
    );
  });

  it('numbers read well', () => {
    expect([measured(0.123456), measured(1.5e-7), measured(null), measured(42, 'dB'), percent(0.01234)]).toEqual([
      '0.1235',
      '1.50e-7',
      'none',
      '42 dB',
      '1.23 %',
    ]);
    expect([duration(0.2), duration(999), duration(12_345), duration(119_700)]).toEqual([
      '1 ms',
      '999 ms',
      '12.3 s',
      '2 min 0 s',
    ]);
  });
});

import type { Page } from 'puppeteer';
import { describe, expect, it } from 'vitest';
import { patchOf } from '../../src/playground/pages/workbench/edits.ts';
import { launch, open, press, textOf, useSite, waitFor, waitForText, waitWithoutFrames } from './browser.ts';

const site = useSite();

const editorText = (page: Page): Promise<string> =>
  page.$eval('.editor', (editor) =>
    Array.from(editor.shadowRoot!.querySelectorAll('.cm-line'), (line) => line.textContent).join('\n'),
  );

/** The page with a shader in which one text stands for another. */
async function withEdit(spec: string, file: string, from: string, to: string, more = '', browser = site.browser) {
  const sources = import.meta.glob('../../shaders/**/*.wgsl', { query: '?raw', import: 'default' });
  const source = (await sources[`../../shaders/${file}.wgsl`]!()) as string;
  expect(source).toContain(from);
  const edits = encodeURIComponent(JSON.stringify({ [file]: patchOf(source, source.replace(from, to)) }));
  const link = `${site.address}#/workbench?v=1&spec=${spec}&file=${file}&edits=${edits}${more}`;
  const opened = await open(browser, link);
  await waitFor(opened.page, '.editor[data-ready="true"]');
  await press(opened.page, '#bench-run:not([disabled])');
  return opened;
}

describe('the workbench', () => {
  it('runs the shipped shader, finds no bit that differs, and times it', async () => {
    const { page, complaints } = await site.open('#/workbench?v=1&spec=quantize/edge-ragged');
    await waitFor(page, '.editor[data-ready="true"]');
    expect(await editorText(page)).toContain('fn quantize_codes');
    await press(page, '#bench-run:not([disabled])');
    await waitForText(page, '#bench-outcome', 'have the reference’s bits');
    expect(await textOf(page, '#bench-median')).toMatch(/^[\d.]+ ms$/);
    expect(await textOf(page, '#bench-outcome')).toContain('kernels/quantize.wgsl: quantize_codes');
    // A result is of what was run, which its words say once something else stands above it.
    expect(await textOf(page, '#bench-outcome')).toContain('quantize/edge-ragged: all');
    expect(await page.$('.outdated:not([hidden])')).toBeNull();
    await page.select('main select', 'quantize/mxfp8');
    await waitFor(page, '.outdated:not([hidden])');
    expect(complaints).toEqual([]);
    await page.close();
  });

  it('shows where a wrong shader differs, element by element', async () => {
    const { page } = await withEdit(
      'quantize/edge-ragged',
      'kernels/quantize',
      'codes[word] = packed;',
      'codes[word] = packed ^ 1u;',
    );
    await waitForText(page, '#bench-outcome', 'elements differ from the reference');
    expect((await page.$$('#bench-outcome tbody tr')).length).toBeGreaterThan(3);
    await press(page, '#bench-reset');
    await press(page, '#bench-run:not([disabled])');
    await waitForText(page, '#bench-outcome', 'have the reference’s bits');
    await page.close();
  });

  it('opens a shader of the spec where the link names one that there is not', async () => {
    const { page, complaints } = await site.open('#/workbench?v=1&spec=quantize/mxfp8&file=constructor');
    await waitFor(page, '.editor[data-ready="true"]');
    expect(await editorText(page)).toContain('fn quantize_lines');
    expect(complaints).toEqual([]);
    await page.close();
  });

  it('opens a shader that the spec runs, and says when a changed one is not run by it', async () => {
    const { page } = await site.open('#/workbench?v=1&spec=quantize/mxfp8');
    await waitFor(page, '.editor[data-ready="true"]');
    expect(await editorText(page)).toContain('fn quantize_lines');
    const group = 'optgroup[label="Dispatched by this spec, in order"] option';
    expect(await page.$$eval(group, (options) => options.map((option) => option.textContent))).toEqual([
      'kernels/quantize_lines.wgsl',
    ]);
    await page.close();
    const { page: other } = await withEdit('quantize/mxfp8', 'kernels/quantize', 'packed', 'changed');
    await waitForText(other, 'main', 'quantize/mxfp8 does not run kernels/quantize.wgsl: the change has no effect.');
    await waitForText(other, '#bench-outcome', 'have the reference’s bits');
    await other.close();
  });

  it('marks what the compiler refuses at its line', async () => {
    const { page } = await withEdit(
      'quantize/edge-ragged',
      'kernels/quantize',
      'codes[word] = packed;',
      'codes[word] = unheard_of;',
    );
    await waitForText(page, '#complaints', 'unheard_of');
    expect(await textOf(page, '#complaints')).toMatch(/kernels\/quantize\.wgsl, line \d+, column \d+/);
    await page.waitForFunction(() =>
      document
        .querySelector('.editor')
        ?.shadowRoot?.querySelector('.cm-lintRange-error')
        ?.textContent?.includes('unheard_of'),
    );
    await page.close();
  });

  it('ends an endless loop by its guard, and the page goes on', async () => {
    const { page } = await withEdit(
      'quantize/edge-one-element',
      'kernels/quantize',
      'var packed = 0u;',
      'var packed = 0u; while (codes[word] != 1u) { packed++; }',
    );
    await waitForText(page, '#bench-outcome', 'differ from the reference');
    await page.close();
  });

  it('refuses what a tab cannot hold before anything is allocated', async () => {
    const { page } = await site.open(
      `#/parity?v=1&spec=gemm/dsv3-q-a&text=${encodeURIComponent(JSON.stringify({ fp8lab: 1, kernel: 'gemm', name: 'huge', shape: { m: 8192, n: 8192, k: 8192 }, a: { scheme: 'activation-1x128', input: 'normal' }, b: { scheme: 'weight-128x128', input: 'normal' } }))}`,
    );
    await press(page, '#spec-run:not([disabled])');
    await waitForText(page, '#spec-outcome', 'the page takes 256 MiB at most');
    await page.close();
  });
});

describe('an endless shader without a guard', () => {
  it('is ended at the time limit; the page answers and says how the GPU does', async () => {
    const own = await launch('with');
    const pid = own.process()!.pid!;
    try {
      const { page } = await withEdit(
        'quantize/edge-one-element',
        'kernels/quantize',
        'var packed = 0u;',
        'var packed = 0u; while (codes[word] != 1u) { packed++; }',
        '&guard=0&limit=2',
        own,
      );
      await waitWithoutFrames(page, '#bench-outcome', 'did not finish within 2 s');
      await waitWithoutFrames(page, '#bench-outcome', 'The GPU');
      expect(await page.evaluate(() => document.querySelector<HTMLButtonElement>('#bench-run')!.disabled)).toBe(false);
      await page.evaluate(() => {
        location.hash = '#/formats?v=1';
      });
      await waitWithoutFrames(page, 'h1', 'Formats');
    } finally {
      // The driver's thread is still in the loop: closing politely would wait for it.
      process.kill(-pid, 'SIGKILL');
    }
  });
});

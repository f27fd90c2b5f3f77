import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Page } from 'puppeteer';
import { describe, expect, it } from 'vitest';
import { blockSum, encode, modelPreset } from '../../src/index.ts';
import { formatValue } from '../../src/parity/lanes.ts';
import { operandsOf } from '../../src/playground/pages/tensor-core/model.ts';
import { canvasColours, giveFile, press, textOf, useSite, waitFor, waitForText, writeSafetensors } from './browser.ts';

const site = useSite();

const type = async (page: Page, selector: string, text: string): Promise<void> => {
  await page.$eval(selector, (input) => (input as HTMLInputElement).select());
  await page.type(selector, text);
};

describe('formats', () => {
  it('shows the code that the library encodes, for every kind of value', async () => {
    const { page, complaints } = await site.open('#/formats?v=1');
    for (const x of [0.3, -448, 1e9, 2 ** -10, 17]) {
      await type(page, '.controls input[type="text"]', String(x));
      const code = encode(Float32Array.of(x), 'e4m3')[0]!;
      await waitForText(page, '#code-hex', `0x${code.toString(16).toUpperCase().padStart(2, '0')}`);
    }
    expect(complaints).toEqual([]);
    await page.close();
  });

  it('flips bits by click, walks codes by keys, and follows the table', async () => {
    const { page } = await site.open('#/formats?v=1&x=0');
    // 2^(8 - 7): the highest exponent bit alone.
    await page.click('[data-bit="1"]');
    await waitForText(page, '#code-value', '2');
    await page.focus('[data-bit="1"]');
    await page.keyboard.press('ArrowUp');
    await waitForText(page, '#code-value', '2.25');
    await press(page, '[data-code="126"]');
    await waitForText(page, '#code-value', '448');
    // The address follows within a moment.
    await page.waitForFunction(() => location.hash.includes('code=126'));
    await page.close();
  });

  it('rounds stochastically up as often as the value lies up the step', async () => {
    const { page } = await site.open('#/formats?v=1&x=1.03125&rounding=stochastic');
    await waitForText(page, '#draws', '4,096 draws');
    const shares = (await page.$$eval('.draw', (rows) => rows.map((row) => row.textContent))).map((text) =>
      Number(/([\d.]+) %/.exec(text ?? '')?.[1]?.replace(/^.*?(\d{1,2}\.\d)$/, '$1')),
    );
    expect(shares).toHaveLength(2);
    // A quarter of the step from 1 to 1.125; five standard deviations of 4096 draws are 3.4 %.
    expect(shares[1]).toBeGreaterThan(21.5);
    expect(shares[1]).toBeLessThan(28.5);
    await page.close();
  });
});

describe('quantize', () => {
  it('draws the matrix, the errors, the scales and the landscape, and the adapter gives the same codes', async () => {
    const { page, complaints } = await site.open('#/quantize?v=1');
    await waitFor(page, '[data-ready="true"]');
    await waitForText(page, 'main', 'gives the same 65,536 codes');
    await waitFor(page, 'canvas[data-renderer="webgpu"][data-drawn]');
    expect(await canvasColours(page, '.heat canvas')).toBeGreaterThan(20);
    expect(await canvasColours(page, '.landscape canvas')).toBeGreaterThan(50);
    const before = await page.$eval('.landscape canvas', (canvas) => (canvas as HTMLCanvasElement).toDataURL());
    await page.focus('.landscape canvas');
    await page.keyboard.press('ArrowLeft');
    await page.waitForFunction(
      (old) => document.querySelector<HTMLCanvasElement>('.landscape canvas')?.toDataURL() !== old,
      { timeout: 30_000 },
      before,
    );
    expect(complaints).toEqual([]);
    await page.close();
  });

  it('writes an element out as the library derives it', async () => {
    const { page } = await site.open('#/quantize?v=1&generate=normal');
    await waitFor(page, '[data-ready="true"]');
    await page.focus('.heat canvas');
    for (const key of ['ArrowDown', 'ArrowRight', 'ArrowRight', 'Enter'] as const) await page.keyboard.press(key);
    await waitForText(page, '#element-place', 'Row 1, column 2');
    await waitFor(page, '#traces pre');
    const [left, right] = await page.$$eval('#traces pre', (traces) => traces.map((trace) => trace.textContent));
    expect(left).toMatch(/codes\[1, 2\] of playground-quantize/);
    expect(left).toMatch(/recipe divide/);
    expect(right).toMatch(/recipe pow2/);
    expect(await page.evaluate(() => location.hash)).toContain('row=1&column=2');
    await page.reload();
    await waitFor(page, '#traces pre');
    expect(await page.$$eval('#traces pre', (traces) => traces.map((trace) => trace.textContent))).toEqual([
      left,
      right,
    ]);
    expect(await page.$eval('main a.page-link', (link) => link.getAttribute('href'))).toMatch(/^#\/formats\?.*code=\d/);
    await page.close();
  });

  it('reads a file that is given to it, and stays on its feet with a bad one', async () => {
    const { page, complaints, requests } = await site.open('#/quantize?v=1');
    const values = Float32Array.from({ length: 300 * 40 }, (_, i) => Math.sin(i));
    const weights = join(site.folder, 'weights.safetensors');
    writeSafetensors(weights, '<b>weights</b>', 'F32', [300, 40], values);
    await giveFile(page, weights);
    await waitForText(page, '#source-text', 'rows 0 to 127, columns 0 to 39');
    expect(await textOf(page, '#source-text')).toContain('<b>weights</b>');
    expect(await page.$('#source-text b')).toBeNull();
    const broken = join(site.folder, 'broken.safetensors');
    writeFileSync(broken, Buffer.from([255, 255, 255, 255, 255, 255, 255, 127, 1, 2, 3]));
    await giveFile(page, broken);
    await waitForText(page, '.file [role="alert"]', 'To mend it');
    const counts = join(site.folder, 'counts.safetensors');
    writeSafetensors(counts, 'counts', 'I64', [4], new Uint8Array(32));
    await giveFile(page, counts);
    await waitForText(page, '.file [role="alert"]', 'the file has no tensor of');
    // What was shown stays, and there is a way back from it.
    expect(await textOf(page, '#source-text')).toContain('<b>weights</b>');
    const single = join(site.folder, 'single.safetensors');
    const long = `layers.${'x'.repeat(3000)}`;
    writeSafetensors(single, long, 'F32', [1], Float32Array.of(3));
    await giveFile(page, single);
    await waitForText(page, '#source-text', `${long} [1, 1] F32: rows 0 to 0`);
    await waitFor(page, '[data-ready="true"]');
    await waitForText(page, '[data-check="right"]', 'gives the same');
    expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(1200);
    await page.$$eval('.file-body button', ([back]) => back!.click());
    await waitForText(page, '#source-text', 'generated here');
    expect(complaints).toEqual([]);
    expect(requests.every((url) => url.startsWith(site.address))).toBe(true);
    await page.close();
  });

  it('keeps its pictures when the window changes its size', async () => {
    const { page } = await site.open('#/quantize?v=1&generate=uniform', { width: 1200 });
    await waitFor(page, '[data-ready="true"]');
    await waitFor(page, 'canvas[data-drawn]');
    await page.setViewport({ width: 420, height: 800 });
    await page.waitForFunction(() => document.querySelector<HTMLCanvasElement>('.heat canvas')!.width < 420);
    expect(await canvasColours(page, '.heat canvas')).toBeGreaterThan(20);
    await page.close();
  });

  it('follows a slider that is dragged, and leaves the address with where it came to rest', async () => {
    const { page, complaints } = await site.open('#/quantize?v=1&generate=normal&seed=0');
    await waitFor(page, '[data-ready="true"]');
    // More moves than Chromium lets a page write addresses in ten seconds: it would complain, and leave the last unwritten.
    await page.$$eval('.controls input[type="range"]', ([, , seed]) => {
      const slider = seed as HTMLInputElement;
      for (let move = 0; move < 300; move++) {
        slider.value = String(move % 32);
        slider.dispatchEvent(new Event('input', { bubbles: true }));
      }
    });
    await page.waitForFunction(() => location.hash.includes('seed=11'));
    await page.waitForFunction(() => document.querySelector('main .export code')?.textContent?.includes('"seed":11'));
    expect(complaints).toEqual([]);
    await page.close();
  });
});

describe('tensor core', () => {
  it('gives the sums of the library for every model', async () => {
    const { page, complaints } = await site.open('#/tensor-core?v=1&operands=normal&seed=7');
    const { a, b } = operandsOf('normal', 7);
    const sum = (name: string): number =>
      blockSum(modelPreset(name), 'e4m3', 'e4m3')({ codes: a, offset: 0 }, { codes: b, offset: 0 }, 32);
    const table = await page.$$eval('#models tbody tr', (rows) =>
      rows.map((row) => [row.cells[0]!.textContent, row.cells[1]!.textContent]),
    );
    const shown = Object.fromEntries(table.map(([name, value]) => [name!.replace(' ◂', ''), value]));
    expect(shown['Hopper (H100, H800)']).toBe(formatValue(sum('hopper-wgmma-fp8')));
    expect(shown['Ada (L40S, RTX 40)']).toBe(formatValue(sum('ada-mma-fp8')));
    expect(shown['Blackwell (B200)']).toBe(formatValue(sum('blackwell-fp8')));
    expect(shown['exact, rounded once']).toBe(formatValue(sum('exact')));
    expect(complaints).toEqual([]);
    await page.close();
  });

  it('shows what is cut off, and takes operands of one’s own', async () => {
    const { page } = await site.open('#/tensor-core?v=1&operands=spread');
    const cut = await page.$$eval('.cell-digit.cut.one', (texts) => texts.map((text) => text.textContent).join(''));
    expect(cut.length).toBeGreaterThan(10);
    const inputs = await page.$$('.panel .control input[type="text"]');
    await inputs[0]!.evaluate((input) => input.select());
    await inputs[0]!.type('448');
    await page.waitForFunction(() => location.hash.includes('operands=custom'));
    await waitForText(page, '.term.chosen', '448 ×');
    await page.close();
  });

  it('measures that the error grows without promotion and stays with it', async () => {
    const { page, complaints } = await site.open('#/tensor-core?v=1&values=positive');
    await waitFor(page, '#curve[data-ready="true"] .chart svg');
    const label = await page.$eval('#curve .chart svg', (svg) => svg.getAttribute('aria-label'));
    expect(label).toMatch(/Hopper, never moved out errs by [\d.]+ % at k = 8192/);
    expect((await page.$$('#curve [data-export="csv"]')).length).toBe(1);
    expect(complaints).toEqual([]);
    await page.close();
  });
});

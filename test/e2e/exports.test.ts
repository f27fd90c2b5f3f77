import { spawnSync } from 'node:child_process';
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Page } from 'puppeteer';
import { beforeAll, describe, expect, it } from 'vitest';
import { packageRoot } from '../../src/backends/machine.ts';
import { decode } from '../../src/index.ts';
import { quantizeViews } from '../../src/playground/pages/quantize/model.ts';
import { patchOf } from '../../src/playground/pages/workbench/edits.ts';
import { ensureBuilt } from '../helpers/dist.ts';
import { giveFile, press, textOf, useSite, waitFor, waitForText, writeSafetensors } from './browser.ts';

const site = useSite();
beforeAll(async () => {
  await ensureBuilt('node', 'runner');
  // A folder where the library is installed and nothing else: what a reader has who copies a command.
  mkdirSync(join(site.folder, 'node_modules'));
  symlinkSync(packageRoot(), join(site.folder, 'node_modules', 'fp8lab'));
});

/** What a button saves: its type and its bytes as text, or only how many there are. */
interface Saved {
  readonly type: string;
  readonly text: string;
  readonly size: number;
}

/** Presses a button that saves something, and catches what it saves. */
async function save(page: Page, selector: string): Promise<Saved> {
  await page.evaluate(() => {
    const store = globalThis as unknown as { saved: Blob[] };
    store.saved = [];
    URL.createObjectURL = (what) => {
      store.saved.push(what as Blob);
      return 'blob:caught';
    };
    HTMLAnchorElement.prototype.click = () => {};
  });
  await page.$eval(selector, (button) => (button as HTMLElement).dispatchEvent(new MouseEvent('click')));
  await page.waitForFunction(() => (globalThis as unknown as { saved: Blob[] }).saved.length > 0);
  return page.evaluate(async () => {
    const [blob] = (globalThis as unknown as { saved: Blob[] }).saved;
    return { type: blob!.type, text: await blob!.text(), size: blob!.size };
  });
}

const json = async (page: Page, within = 'main') =>
  JSON.parse((await save(page, `${within} [data-export="json"]`)).text);

/** Runs a page's command as a reader would, with the built command line in the place of npx. */
function runCommand(command: string, code = 0): string {
  const cli = `${process.execPath} ${join(packageRoot(), 'dist', 'cli.js')}`;
  const line = command.replaceAll('npx fp8lab', cli).replace(/^node /, `${process.execPath} `);
  const { status, stdout, stderr } = spawnSync('sh', ['-c', line], { cwd: site.folder, encoding: 'utf8' });
  expect(`${stderr} ${status}`).toMatch(new RegExp(` ${code}$`));
  return stdout;
}

const commandOf = (page: Page, within = 'main') => textOf(page, `${within} .export code`);

/** Picture buttons give pictures. */
async function expectPictures(page: Page, within: string, kinds: readonly ('svg' | 'png')[]): Promise<void> {
  for (const kind of kinds) {
    const { type, size, text } = await save(page, `${within} [data-export="${kind}"]`);
    expect(type).toBe(kind === 'svg' ? 'image/svg+xml' : 'image/png');
    expect(size).toBeGreaterThan(500);
    if (kind === 'svg') expect(text).not.toContain('var(--');
  }
}

/** Equal but for the order in which energies were added. */
const close = (values: readonly number[]) => values.map((value) => expect.closeTo(value, 9));

const numbersIn = (text: string) => Array.from(text.matchAll(/-?\d+\.?\d*(?:e[-+]?\d+)?$/gm), ([word]) => Number(word));

describe('what is taken away', () => {
  it('a rounding: its command gives the code, stochastic draws are in the data', async () => {
    const { page } = await site.open('#/formats?v=1&x=0.3&rounding=stochastic');
    await waitForText(page, '#draws', '4,096 draws');
    const data = await json(page);
    expect(data.draws.reduce((sum: number, { count }: { count: number }) => sum + count, 0)).toBe(4096);
    expect(runCommand(await commandOf(page))).toContain(String(Number(data.code)));
    await expectPictures(page, 'main', ['svg', 'png']);
    // A page by plain http has no clipboard.
    await page.evaluate(() => void Object.defineProperty(navigator, 'clipboard', { value: undefined }));
    await page.$$eval('.export button', (buttons) => (buttons.at(-1) as HTMLElement).click());
    await waitForText(page, '.export', 'does not let the page copy; the command is below');
    await page.close();
  });

  it('a generated matrix and part of a file: the command gives the SQNR that the page shows, and names file and tensor', async () => {
    const { page } = await site.open('#/quantize?v=1');
    await waitFor(page, '[data-ready="true"] .export');
    const generated = await json(page);
    const shown = (data: typeof generated) => data.results.map(({ sqnr }: { sqnr: number }) => sqnr);
    expect(generated.specs.map(({ scheme }: { scheme: string }) => scheme)).toEqual([
      'per-tensor',
      'activation-1x128-pow2',
    ]);
    expect(numbersIn(runCommand(await commandOf(page)))).toEqual(close(shown(generated)));
    // Names with what a shell or a string would trip over.
    const [name, tensor] = ["it's $HOME.safetensors", 'a `b` "c" \\ d'];
    const codes = Uint16Array.from({ length: 200 * 600 }, (_, i) => 0x3c00 + ((i * 37) % 997));
    writeSafetensors(join(site.folder, name), tensor, 'BF16', [200, 600], codes);
    await giveFile(page, join(site.folder, name));
    await waitForText(page, '#source-text', 'rows 0 to 127, columns 0 to 511');
    await waitFor(page, '[data-ready="true"]');
    await page.waitForFunction(() => document.querySelector('main .export code')?.textContent?.includes('HOME'));
    const part = await json(page);
    expect(part.source).toMatchObject({ file: name, tensor, firstRow: 0, rows: 128, columns: 512, allColumns: 600 });
    expect(numbersIn(runCommand(await commandOf(page)))).toEqual(close(shown(part)));
    const slice = Uint16Array.from({ length: 128 * 512 }, (_, i) => codes[Math.floor(i / 512) * 600 + (i % 512)]!);
    const [view] = quantizeViews({
      source: { kind: 'tensor', tensor: { dtype: 'BF16', shape: [128, 512], codes: slice } },
      schemes: ['per-tensor'],
    });
    expect(shown(part)[0]).toBe(view!.sqnr);
    expect(decode(slice, 'bf16')[1]).toBe(view!.values[1]);
    await expectPictures(page, 'main', ['png']);
    await page.close();
  });

  it('a dot product and the curve: the commands give the same sums and the same errors', async () => {
    const { page } = await site.open('#/tensor-core?v=1&operands=normal&seed=7');
    await waitFor(page, '#curve[data-ready="true"]');
    const { sums } = await json(page, 'main .panel:has(#models)');
    expect(numbersIn(runCommand(await commandOf(page, 'main .panel:has(#models)')))).toEqual(
      sums.map(({ value }: { value: number }) => value),
    );
    const { points } = await json(page, '#curve');
    expect(numbersIn(runCommand(await commandOf(page, '#curve')))).toEqual(
      points.map(({ error }: { error: number }) => error),
    );
    await expectPictures(page, '#curve', ['svg', 'png']);
    // What style sheets say is in the file: it looks the same without them.
    const { text } = await save(page, 'main .panel:has(#models) [data-export="svg"]');
    expect(text).toMatch(/<path [^>]*class="cell kept one"[^>]* fill="rgb\(/);
    await page.close();
  });

  it('a spec of one’s own: the file that is saved is what the command runs', async () => {
    const own = `{"fp8lab": 1, "kernel": "quantize", "name": "mine", "shape": {"rows": 8, "columns": 64},
      "x": {"input": {"generate": "normal", "seed": 5}}, "scheme": "mxfp8"}`;
    const { page } = await site.open(`#/parity?v=1&text=${encodeURIComponent(own)}`);
    await press(page, '#spec-run:not([disabled])');
    await waitForText(page, '#spec-outcome', 'agree to the bit');
    const command = await commandOf(page, '#spec-outcome');
    expect(command).toBe('npx fp8lab parity mine.json --backends webgpu:chromium');
    const { text } = await save(page, '#spec-outcome [data-export="file"]');
    expect(text).toBe(own);
    expect(await json(page, '#spec-outcome')).toMatchObject({ edited: true, spec: JSON.parse(own) });
    writeFileSync(join(site.folder, 'mine.json'), text);
    // The backend only costs time here: that it agrees is what the page has just shown.
    expect(runCommand(command.replace('webgpu:chromium', 'reference'))).toContain('mine');
    await expectPictures(page, '#spec-outcome', ['png']);
    await page.close();
  });

  it('a changed shader: its text is in the data, is saved as a file, and the command finds what the page found with it', async () => {
    const sources = import.meta.glob('../../shaders/kernels/quantize.wgsl', { query: '?raw', import: 'default' });
    const shipped = (await sources['../../shaders/kernels/quantize.wgsl']!()) as string;
    const edited = shipped.replace('codes[word] = packed;', 'codes[word] = packed ^ 1u;');
    const edits = JSON.stringify({ 'kernels/quantize': patchOf(shipped, edited) });
    const link = `#/workbench?v=1&spec=quantize/edge-ragged&edits=${encodeURIComponent(edits)}`;
    const { page } = await site.open(link);
    await waitFor(page, '.editor[data-ready="true"]');
    await press(page, '#bench-run:not([disabled])');
    await waitForText(page, '#bench-outcome', 'elements differ from the reference');
    const data = await json(page, '#bench-outcome');
    expect(data.shaders).toEqual({ 'kernels/quantize': edited });
    expect((await save(page, '#bench-outcome [data-export="file"]')).text).toBe(edited);
    const command = await commandOf(page, '#bench-outcome');
    expect(command).toBe(
      'npx fp8lab parity quantize/edge-ragged --backends webgpu:chromium --shader kernels/quantize=kernels-quantize.wgsl',
    );
    writeFileSync(join(site.folder, 'kernels-quantize.wgsl'), edited);
    // Exit code 1: it differs from the reference. Node starts sooner than another Chromium.
    const differing = data.comparison.mismatches.toLocaleString('en');
    expect(runCommand(command.replace('webgpu:chromium', 'webgpu:node'), 1)).toContain(`${differing} differ`);
    await expectPictures(page, '#bench-outcome', ['svg', 'png']);
    await page.close();
  });
});

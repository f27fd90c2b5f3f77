import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { beforeAll, describe, expect, it } from 'vitest';
import { packageRoot } from '../../src/backends/machine.ts';
import { pages } from '../../src/playground/pages/index.ts';
import { steps } from '../../src/playground/tour.ts';
import { ensureBuilt } from '../helpers/dist.ts';
import { accessibilityProblems, adapterKnown, press, textOf, useSite, waitFor, waitForText } from './browser.ts';

const names = pages.map(({ name }) => name);

describe('the built page', () => {
  beforeAll(() => ensureBuilt('page'));

  it('loads at most 250 kB of script before its first content', () => {
    const folder = join(packageRoot(), 'dist', 'page');
    const html = readFileSync(join(folder, 'index.html'), 'utf8');
    const scripts = Array.from(html.matchAll(/(?:src|href)="\.\/([^"]+\.js)"/g), (match) => match[1]!);
    expect(scripts.length).toBeGreaterThan(0);
    const bytes = scripts.reduce((sum, path) => sum + gzipSync(readFileSync(join(folder, path))).length, 0);
    expect(bytes).toBeLessThan(250_000);
  });

  it('keeps the editor and the charts out of what is loaded first', () => {
    const folder = join(packageRoot(), 'dist', 'page', 'assets');
    const large = readdirSync(folder).filter(
      (name) =>
        /codemirror|EditorView/.test(name) || readFileSync(join(folder, name), 'latin1').includes('cm-scroller'),
    );
    const html = readFileSync(join(packageRoot(), 'dist', 'page', 'index.html'), 'utf8');
    expect(large.length).toBeGreaterThan(0);
    expect(large.filter((name) => html.includes(name))).toEqual([]);
  });
});

describe('with WebGPU', () => {
  const site = useSite();

  it('shows its first content, and the page itself, within a second of being asked for', async () => {
    const budget = 1000;
    let best = { paint: Number.POSITIVE_INFINITY, page: Number.POSITIVE_INFINITY };
    // A busy machine delays some visits, not all: the best of a few says what the page costs.
    for (let visit = 0; visit < 6 && Math.max(best.paint, best.page) > budget; visit++) {
      const context = await site.browser.createBrowserContext();
      const page = await context.newPage();
      await page.goto(site.address);
      await page.waitForFunction(() => performance.getEntriesByName('first-contentful-paint').length > 0);
      await waitFor(page, 'h1');
      const [paint, shown] = await page.evaluate(() =>
        ['first-contentful-paint', 'page-shown'].map((name) => performance.getEntriesByName(name)[0]!.startTime),
      );
      best = { paint: Math.min(best.paint, paint!), page: Math.min(best.page, shown!) };
      await context.close();
    }
    expect(best.paint).toBeLessThan(budget);
    expect(best.page).toBeLessThan(budget);
  });

  it('names the adapter and says in words that it is software', async () => {
    const { page } = await site.open('');
    await adapterKnown(page);
    expect(await textOf(page, '#adapter')).toMatch(/software adapter|hardware/);
    await press(page, '#adapter');
    await waitForText(page, 'dialog[open]', 'operations as IEEE 754 says');
    expect(await textOf(page, 'dialog[open]')).toMatch(/x \+ y/);
    await page.close();
  });

  it('says to a first visitor what it is and what to do first, and to nobody else', async () => {
    const { page } = await site.open('');
    expect(await textOf(page, '.welcome')).toMatch(/^fp8lab computes DeepSeek-V3’s FP8 kernels with the same bits/);
    await adapterKnown(page);
    expect(await accessibilityProblems(page)).toEqual([]);
    // The names of all pages are in sight beside the adapter's, or under it.
    for (const width of [1024, 1281]) {
      await page.setViewport({ width, height: 800 });
      expect(await page.$eval('.nav', (nav) => nav.scrollWidth - nav.clientWidth)).toBe(0);
    }
    await press(page, '.welcome a');
    await waitForText(page, 'h1', 'Gemm and parity');
    expect(await page.$('.welcome')).toBeNull();
    await press(page, '.brand');
    await waitFor(page, '.welcome #tour-welcome');
    await page.close();
  });

  it.each(names)(
    '%s: axe finds nothing in light and in dark, nothing is wider than a phone, and nobody complains',
    async (name) => {
      const { page, complaints, requests } = await site.open(`#/${name}?v=1`, {
        width: 360,
        height: 740,
      });
      await adapterKnown(page);
      await page.waitForNetworkIdle({ idleTime: 300 });
      expect(await accessibilityProblems(page)).toEqual([]);
      await press(page, '.icon');
      expect(await page.evaluate(() => document.documentElement.dataset.theme)).toBe('dark');
      expect(await accessibilityProblems(page)).toEqual([]);
      expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(360);
      await page.evaluate(() => localStorage.clear());
      expect(complaints).toEqual([]);
      expect(requests.filter((url) => !url.startsWith(site.address))).toEqual([]);
      await page.close();
    },
  );

  it('says what is wrong with a link and shows the page all the same', async () => {
    const { page } = await site.open('#/formats?v=1&format=e9m9&colour=red&rounding=to-odd');
    expect(await textOf(page, '.notices')).toMatch(/"e9m9" is no value of "format"/);
    expect(await textOf(page, '.notices')).toMatch(/there is no setting "colour"/);
    expect(await page.$eval('select', (select) => select.value)).toBe('e4m3');
    for (const [hash, words] of [
      ['#/nowhere', /there is no page "nowhere"/],
      ['#/formats?v=99', /another version/],
      [`#/formats?v=1&x=${'1'.repeat(9000)}`, /longer than 8192/],
      ['#/formats?v=1&x=%3Cimg%20src%3Dx%20onerror%3Dalert(1)%3E', /is no value of "x"/],
      ['#/%E0%A4%A?v=1', /there is no page/],
    ] as const) {
      await page.evaluate((next) => {
        location.hash = next;
      }, hash);
      await page.waitForFunction(
        (source) => new RegExp(source).test(document.querySelector('.notices')?.textContent ?? ''),
        {},
        words.source,
      );
    }
    await page.close();
  });

  it('goes back and forth through the pages, each in the state it was left', async () => {
    const { page } = await site.open('#/formats?v=1&x=448');
    await waitForText(page, '#code-value', '448');
    await page.select('select', 'e5m2');
    await waitForText(page, '#code-hex', '0x5F');
    await press(page, '.nav a:nth-child(3)');
    await waitForText(page, 'h1', 'Tensor core');
    await page.goBack();
    await waitForText(page, 'h1', 'Formats');
    await waitForText(page, '#code-hex', '0x5F');
    await page.goForward();
    await waitForText(page, 'h1', 'Tensor core');
    await page.close();
  });

  it('leads through the tour and lets go of it', async () => {
    const { page } = await site.open('');
    await press(page, '#tour-start');
    for (const { title } of steps) {
      await waitForText(page, '.tour h2', title);
      // The pages behind have their own check; the panel is the same at each step.
      if (title === steps[0]!.title) expect(await accessibilityProblems(page)).toEqual([]);
      await press(page, '.tour .primary');
    }
    expect(await page.$eval('.tour', (tour) => (tour as HTMLElement).hidden)).toBe(true);
    expect(await page.evaluate(() => location.hash)).toMatch(/^#\/parity/);
    await page.close();
  });
});

describe('without WebGPU', () => {
  const site = useSite('without');

  it.each(names)('%s says so and computes with the reference', async (name) => {
    const { page, complaints } = await site.open(`#/${name}?v=1`);
    await waitForText(page, '#adapter', 'No WebGPU: reference only');
    await waitFor(page, 'main .panel');
    if (name === 'parity') {
      await press(page, '#spec-run:not([disabled])');
      await waitForText(page, '#spec-outcome', 'the reference alone has computed it');
    }
    if (name === 'quantize') {
      await waitForText(page, 'main', 'Computed by the reference');
      await waitFor(page, 'canvas[data-renderer="canvas"][data-drawn]');
    }
    expect(complaints).toEqual([]);
    await page.close();
  });
});

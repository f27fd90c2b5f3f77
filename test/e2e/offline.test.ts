import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Browser, BrowserContext, Page } from 'puppeteer';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { serviceWorkerName, stampServiceWorker } from '../../scripts/lib/precache.mjs';
import { packageRoot } from '../../src/backends/machine.ts';
import { type StaticServer, serveFolder } from '../../src/cli/static-server.ts';
import { pages } from '../../src/playground/pages/index.ts';
import { ensureBuilt } from '../helpers/dist.ts';
import { launch, press, waitFor, waitForText } from './browser.ts';

let root: string;
let browser: Browser;
beforeAll(async () => {
  await ensureBuilt('page');
  root = mkdtempSync(join(tmpdir(), 'fp8lab-offline-'));
  browser = await launch('with');
});
afterAll(async () => {
  await browser.close();
  rmSync(root, { recursive: true, force: true });
});

const built = () => join(packageRoot(), 'dist', 'page');

/** A copy of the page in a folder of a host that serves other things too. */
async function host(name: string): Promise<{ server: StaticServer; folder: string; address: string }> {
  const folder = join(root, name, 'some', 'folder');
  mkdirSync(folder, { recursive: true });
  cpSync(built(), folder, { recursive: true });
  const server = await serveFolder(join(root, name), 0);
  return { server, folder, address: `${server.address}some/folder/` };
}

const portOf = ({ address }: StaticServer) => Number(new URL(address).port);

async function visit(context: BrowserContext, address: string): Promise<{ page: Page; complaints: string[] }> {
  const page = await context.newPage();
  const complaints: string[] = [];
  page.on('pageerror', (error) => complaints.push(String(error)));
  page.on('console', (message) => {
    if (message.type() === 'error' && !/WebGPU|adapter/i.test(message.text())) complaints.push(message.text());
  });
  await page.goto(address, { waitUntil: 'load' });
  return { page, complaints };
}

/** What each page must have computed before it counts as working, and the button that starts it. */
const computed: Readonly<Record<string, { readonly press?: string; readonly ready: readonly [string, string] }>> = {
  formats: { ready: ['#code-hex', '0x2A'] },
  quantize: { ready: ['main', 'gives the same 65,536 codes'] },
  'tensor-core': { ready: ['#curve [data-export="csv"]', 'CSV'] },
  parity: { press: '#spec-run:not([disabled])', ready: ['#spec-outcome', 'agree to the bit'] },
  routing: { ready: ['#gate-check', 'makes the same 4,096 choices'] },
  deployment: { ready: ['#deployment-busy', '%'] },
  workbench: { press: '#bench-run:not([disabled])', ready: ['#bench-outcome', 'have the reference’s bits'] },
  studies: { press: '#study-run:not([disabled])', ready: ['#study-results', 'What the numbers say'] },
};

describe('without a network', () => {
  it('every page opens and computes after one visit to one of them', async () => {
    const { server, address } = await host('visited');
    const context = await browser.createBrowserContext();
    const first = await visit(context, `${address}#/formats?v=1`);
    await waitFor(first.page, '#offline[data-kept="true"]');
    expect(await first.page.evaluate(() => navigator.serviceWorker.controller?.scriptURL)).toBe(
      `${address}${serviceWorkerName}`,
    );
    await first.page.close();
    await server.close();
    for (const { name, title } of pages) {
      const { page, complaints } = await visit(context, `${address}#/${name}?v=1`);
      await waitFor(page, 'main .panel');
      const what = computed[name];
      if (what?.press) await press(page, what.press);
      if (what) await waitForText(page, ...what.ready);
      expect(complaints, title).toEqual([]);
      await page.close();
    }
    await context.close();
  });

  it('a newer build is shown at once, kept in the place of the older one, and leaves open tabs their chunks', async () => {
    const { server, folder, address } = await host('replaced');
    const context = await browser.createBrowserContext();
    const old = await visit(context, address);
    await waitFor(old.page, '#offline[data-kept="true"]');
    // The newer build: another text in the page, and chunks under other names.
    const index = join(folder, 'index.html');
    writeFileSync(index, readFileSync(index, 'utf8').replace('</noscript>', ' Newer.</noscript>'));
    const quantize = readFileSync(join(folder, serviceWorkerName), 'utf8').match(/assets\/h100-e4m3[^"]+/)![0];
    rmSync(join(folder, quantize));
    const before = await old.page.evaluate(() => caches.keys());
    const { version } = stampServiceWorker(folder);
    const isNewer = (page: Page) => page.evaluate(() => document.documentElement.outerHTML.includes('Newer.'));
    const fresh = await visit(context, address);
    expect(await isNewer(fresh.page)).toBe(true);
    await fresh.page.waitForFunction(
      async (wanted) => (await caches.keys()).some((name) => name.endsWith(wanted)),
      { timeout: 30_000, polling: 200 },
      version,
    );
    await fresh.page.evaluate(() => navigator.serviceWorker.ready);
    await fresh.page.waitForFunction(
      async () => {
        const registration = await navigator.serviceWorker.getRegistration();
        return registration?.active?.state === 'activated' && !registration.installing && !registration.waiting;
      },
      { timeout: 30_000, polling: 200 },
    );
    // A file that only the older build had: the tab that shows it still gets it.
    expect(await old.page.evaluate(async (path) => (await fetch(path)).status, quantize)).toBe(200);
    expect(await old.page.evaluate(() => caches.keys())).toEqual([...before, expect.stringContaining(version)]);
    await server.close();
    const away = await visit(context, address);
    expect(await isNewer(away.page)).toBe(true);
    await context.close();
  });

  it('makes way for another program that is served at its address', async () => {
    const { server, address } = await host('left');
    const context = await browser.createBrowserContext();
    const mine = await visit(context, address);
    await waitFor(mine.page, '#offline[data-kept="true"]');
    await mine.page.close();
    await server.close();
    const other = join(root, 'other', 'some', 'folder');
    mkdirSync(other, { recursive: true });
    writeFileSync(join(other, 'index.html'), '<!doctype html><title>Another</title>');
    const successor = await serveFolder(join(root, 'other'), portOf(server));
    const { page } = await visit(context, address);
    expect(await page.title()).toBe('Another');
    await page.waitForFunction(
      async () => (await navigator.serviceWorker.getRegistrations()).length === 0 && (await caches.keys()).length === 0,
      { timeout: 30_000, polling: 200 },
    );
    await context.close();
    await successor.close();
  });

  it('keeps nothing when a file is not the build’s, and the page works all the same', async () => {
    const { server, folder, address } = await host('mixed');
    const index = join(folder, 'index.html');
    writeFileSync(index, `${readFileSync(index, 'utf8')}<!-- put in by the host -->`);
    const context = await browser.createBrowserContext();
    const { page, complaints } = await visit(context, address);
    await waitFor(page, 'main .panel');
    // The cache is opened first and filled by nothing: one file was refused.
    await page.waitForFunction(
      async () => (await caches.keys()).length > 0 && (await navigator.serviceWorker.getRegistrations()).length === 0,
      { timeout: 30_000, polling: 200 },
    );
    expect(await page.evaluate(() => navigator.serviceWorker.controller)).toBeNull();
    expect(complaints.filter((text) => !/integrity/i.test(text))).toEqual([]);
    await context.close();
    await server.close();
  });
});

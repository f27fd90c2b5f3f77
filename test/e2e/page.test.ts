import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import puppeteer, { type Browser, type Page } from 'puppeteer';
import { type PreviewServer, preview } from 'vite';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { findBrowsers, inspectMachine, packageRoot } from '../../src/backends/machine.ts';
import { commonFlags, sandboxFlags } from '../../src/backends/webgpu/browser.ts';
import { browserFlags } from '../../src/backends/webgpu/launches.ts';
import { ensureBuilt } from '../helpers/dist.ts';

let server: PreviewServer;
let address: string;

async function launch(flags: readonly string[]): Promise<Browser> {
  const executablePath = findBrowsers()[0]?.path;
  if (executablePath === undefined) throw new Error('no browser; `npm run setup` says how to get one');
  return puppeteer.launch({ executablePath, pipe: true, args: [...commonFlags, ...sandboxFlags(), ...flags] });
}

/** A page whose complaints and requests are kept. */
async function open(browser: Browser): Promise<{ page: Page; complaints: string[]; hosts: Set<string> }> {
  const page = await browser.newPage();
  const complaints: string[] = [];
  const hosts = new Set<string>();
  page.on('console', (message) => {
    if (['error', 'warn'].includes(message.type())) complaints.push(message.text());
  });
  page.on('pageerror', (error) => complaints.push(String(error)));
  page.on('requestfailed', (request) => complaints.push(`${request.url()} ${request.failure()?.errorText}`));
  page.on('request', (request) => {
    const { protocol, host } = new URL(request.url());
    if (protocol.startsWith('http')) hosts.add(host);
  });
  await page.goto(address, { waitUntil: 'load' });
  return { page, complaints, hosts };
}

const textOf = (page: Page, selector: string) => page.$eval(selector, (node) => node.textContent ?? '');
const waitForText = (page: Page, selector: string, part: string) =>
  page.waitForFunction(
    (s, p) => document.querySelector(s)?.textContent?.includes(p),
    { timeout: 90_000 },
    selector,
    part,
  );

/** A picture of the page for whoever wants to look at it; the folder is not under version control. */
async function picture(page: Page, name: string): Promise<void> {
  const folder = join(packageRoot(), 'build', 'pictures');
  mkdirSync(folder, { recursive: true });
  await page.screenshot({ path: join(folder, `${name}.png`), fullPage: true });
}

beforeAll(async () => {
  await ensureBuilt('page');
  const outDir = join(packageRoot(), 'dist', 'page');
  server = await preview({
    configFile: false,
    logLevel: 'silent',
    build: { outDir },
    preview: { host: '127.0.0.1', port: 0 },
  });
  address = server.resolvedUrls!.local[0]!;
});
afterAll(() => server.close());

describe('the page with WebGPU', () => {
  let browser: Browser;
  beforeAll(async () => {
    browser = await launch(browserFlags(inspectMachine(), 'auto').at(-1)!);
  });
  afterAll(() => browser.close());

  it('names the adapter, runs shipped specs, and finds no bit that differs', { timeout: 120_000 }, async () => {
    const { page, complaints, hosts } = await open(browser);
    await waitForText(page, '#adapter', 'WebGPU adapter:');
    expect(await textOf(page, '#adapter')).toMatch(
      /WebGPU adapter: .*software: it runs on the CPU.* [1-9]\d* specs to run/,
    );
    await page.click('#run');
    await waitForText(page, '#summary', 'specs run');
    await picture(page, 'page');
    expect(await textOf(page, '#summary')).toMatch(
      /^[1-9]\d* specs run, 0 failed: WebGPU and the reference agree to the bit\.$/,
    );
    const differing = await page.$$eval('#results tbody tr', (rows) => rows.map((row) => row.cells[2]!.textContent));
    expect(new Set(differing)).toEqual(new Set(['0']));
    expect(complaints).toEqual([]);
    expect([...hosts]).toEqual([new URL(address).host]);
  });
});

describe('the page without WebGPU', () => {
  let browser: Browser;
  beforeAll(async () => {
    browser = await launch(['--disable-features=WebGPU,WebGPUService', '--disable-gpu']);
  });
  afterAll(() => browser.close());

  it('says so, says what to do, and offers nothing to run', async () => {
    const { page, complaints } = await open(browser);
    await waitForText(page, '#adapter', 'To mend it');
    await picture(page, 'page-without-webgpu');
    expect(await textOf(page, '#adapter')).toMatch(/(no WebGPU|offers no adapter).*To mend it: /);
    expect(await page.$eval('#run', (button) => (button as HTMLButtonElement).disabled)).toBe(true);
    expect(complaints.filter((text) => !/No available adapters/i.test(text))).toEqual([]);
  });
});

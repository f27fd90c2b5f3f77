import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import puppeteer, { type Browser, type ElementHandle, type Page } from 'puppeteer';
import { afterAll, beforeAll } from 'vitest';
import { findBrowsers, inspectMachine, packageRoot } from '../../src/backends/machine.ts';
import { commonFlags, sandboxFlags } from '../../src/backends/webgpu/browser.ts';
import { browserFlags } from '../../src/backends/webgpu/launches.ts';
import { type StaticServer, serveFolder } from '../../src/cli/static-server.ts';
import { ensureBuilt } from '../helpers/dist.ts';

/** The built page, served as `fp8lab playground` serves it. */
export async function servePage(): Promise<StaticServer> {
  await ensureBuilt('page');
  return serveFolder(join(packageRoot(), 'dist', 'page'), 0);
}

/** A browser with the machine's adapter, or without WebGPU. */
export async function launch(webgpu: 'with' | 'without'): Promise<Browser> {
  const executablePath = findBrowsers()[0]?.path;
  if (executablePath === undefined) throw new Error('no browser; `npm run setup` says how to get one');
  const flags =
    webgpu === 'with'
      ? browserFlags(inspectMachine(), 'auto').at(-1)!
      : ['--disable-features=WebGPU,WebGPUService', '--disable-gpu'];
  return puppeteer.launch({ executablePath, pipe: true, args: [...commonFlags, ...sandboxFlags(), ...flags] });
}

/** A page whose complaints and requests are kept. */
export interface Opened {
  readonly page: Page;
  /** Errors and warnings of the console, uncaught errors, failed requests. */
  readonly complaints: string[];
  /** Addresses that were asked for. */
  readonly requests: string[];
}

/** Chromium's own words where there is no adapter; the page says it in its own. */
const expectedWords =
  /No available adapters|Failed to create WebGPU Context Provider|WebGPU is experimental|powerPreference/i;

/** Size of the window in CSS pixels, and the system's colours. */
export interface Look {
  readonly width?: number;
  readonly height?: number;
  readonly scheme?: 'light' | 'dark';
}

/** Opens a link of the page. */
export async function open(
  browser: Browser,
  address: string,
  { width = 1200, height = 900, scheme = 'light' }: Look = {},
): Promise<Opened> {
  const page = await browser.newPage();
  await page.setViewport({ width, height });
  await page.emulateMediaFeatures([
    { name: 'prefers-color-scheme', value: scheme },
    { name: 'prefers-reduced-motion', value: 'reduce' },
  ]);
  const complaints: string[] = [];
  const requests: string[] = [];
  page.on('console', (message) => {
    if (['error', 'warn'].includes(message.type()) && !expectedWords.test(message.text()))
      complaints.push(message.text());
  });
  page.on('pageerror', (error) => complaints.push(String(error)));
  page.on('requestfailed', (request) => complaints.push(`${request.url()} ${request.failure()?.errorText}`));
  page.on('request', (request) => {
    if (/^https?:/.test(request.url())) requests.push(request.url());
  });
  await page.goto(address, { waitUntil: 'load' });
  await page.waitForSelector('h1');
  return { page, complaints, requests };
}

/** What the tests of a file or of a block share. */
export interface Site {
  /** The page's address, `http://127.0.0.1:1234/`. */
  readonly address: string;
  readonly browser: Browser;
  /** Removed at the end. */
  readonly folder: string;
  /** Opens a link: `#/formats?v=1`. */
  open(link: string, look?: Look): Promise<Opened>;
}

/** The built page and one browser for all tests around: started before the first of them, gone after the last. */
export function useSite(webgpu: 'with' | 'without' = 'with'): Site {
  let server: StaticServer | undefined;
  let browser: Browser | undefined;
  let folder: string | undefined;
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'fp8lab-e2e-'));
    [server, browser] = await Promise.all([servePage(), launch(webgpu)]);
  });
  afterAll(async () => {
    await browser?.close();
    await server?.close();
    if (folder !== undefined) rmSync(folder, { recursive: true, force: true });
  });
  return {
    get address() {
      return server!.address;
    },
    get browser() {
      return browser!;
    },
    get folder() {
      return folder!;
    },
    open: (link, look) => open(browser!, `${server!.address}${link}`, look),
  };
}

/** Writes a safetensors file of one tensor. */
export function writeSafetensors(
  path: string,
  tensor: string,
  dtype: string,
  shape: readonly number[],
  values: Uint8Array | Uint16Array | Float32Array,
): void {
  const bytes = Buffer.from(values.buffer, values.byteOffset, values.byteLength);
  const header = Buffer.from(JSON.stringify({ [tensor]: { dtype, shape, data_offsets: [0, bytes.length] } }));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(header.length));
  writeFileSync(path, Buffer.concat([length, header, bytes]));
}

/** Gives the page a file, as its button would. */
export const giveFile = async (page: Page, path: string): Promise<void> =>
  ((await page.$('input[type="file"]')) as ElementHandle<HTMLInputElement>).uploadFile(path);

/** Longest wait for something that a software adapter computes on a busy machine. */
const patience = 90_000;

/** Text of an element. */
export const textOf = (page: Page, selector: string): Promise<string> =>
  page.$eval(selector, (node) => node.textContent ?? '');

/** Waits until an element's text has a part. */
export const waitForText = (page: Page, selector: string, part: string) =>
  page.waitForFunction(
    (s, p) => document.querySelector(s)?.textContent?.includes(p),
    { timeout: patience },
    selector,
    part,
  );

/** The same without frames: a browser whose driver is caught in a shader draws none, though its pages run on. */
export async function waitWithoutFrames(page: Page, selector: string, part: string): Promise<void> {
  const ends = Date.now() + patience;
  while (!(await page.evaluate((s) => document.querySelector(s)?.textContent ?? '', selector)).includes(part)) {
    if (Date.now() > ends) throw new Error(`"${part}" did not come into ${selector}`);
    await new Promise((done) => setTimeout(done, 200));
  }
}

/** Waits for an element. */
export const waitFor = (page: Page, selector: string) => page.waitForSelector(selector, { timeout: patience });

/** Waits until it is known whether there is an adapter. */
export const adapterKnown = (page: Page) =>
  page.waitForFunction(() => document.querySelector<HTMLElement>('#adapter')?.dataset.kind !== 'looking', {
    timeout: patience,
  });

/** Clicks by the element itself: the page may still be moving under the pointer. */
export const press = async (page: Page, selector: string): Promise<void> => {
  await waitFor(page, selector);
  await page.$eval(selector, (node) => (node as HTMLElement).click());
};

/** Colours of a canvas's pixels, a sample: how many there are, and whether any pixel is drawn at all. */
export const canvasColours = (page: Page, selector: string): Promise<number> =>
  page.$eval(selector, (node) => {
    const canvas = node as HTMLCanvasElement;
    const data = canvas.getContext('2d')!.getImageData(0, 0, canvas.width, canvas.height).data;
    const colours = new Set<number>();
    for (let i = 0; i < data.length; i += 4 * 13) {
      if (data[i + 3] !== 0) colours.add((data[i]! << 16) | (data[i + 1]! << 8) | data[i + 2]!);
    }
    return colours.size;
  });

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

/** What axe finds wrong: rule, and the elements. */
export async function accessibilityProblems(page: Page): Promise<string[]> {
  await page.evaluate(axe);
  return page.evaluate(async () => {
    const run = (
      globalThis as unknown as {
        axe: { run: () => Promise<{ violations: { id: string; nodes: { target: unknown }[] }[] }> };
      }
    ).axe.run;
    const { violations } = await run();
    return violations.map(
      ({ id, nodes }) =>
        `${id}: ${nodes
          .map(({ target }) => JSON.stringify(target))
          .slice(0, 3)
          .join(' ')}`,
    );
  });
}

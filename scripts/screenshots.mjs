// Pictures of every page of the playground in light, dark, narrow and wide: node scripts/screenshots.mjs DIR [PAGE...]
import { mkdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { withPage } from './lib/open-page.mjs';

/** What is pictured: a name, the link, and what must be there before the shutter. */
const views = [
  { name: 'formats', hash: '#/formats?v=1', ready: '.number-line' },
  { name: 'formats-stochastic', hash: '#/formats?v=1&rounding=stochastic&format=e5m2', ready: '#draws .draw' },
  { name: 'quantize', hash: '#/quantize?v=1', ready: '[data-ready="true"] canvas[data-drawn]' },
  {
    name: 'quantize-element',
    hash: '#/quantize?v=1&generate=normal&left=mxfp8&right=nvfp4&row=3&column=40&surface=error&of=right',
    ready: '#traces pre',
  },
  { name: 'tensor-core', hash: '#/tensor-core?v=1', ready: '#curve[data-ready="true"]' },
  {
    name: 'parity',
    hash: '#/parity?v=1',
    ready: '#hopper[data-ready] .card',
    press: ['#spec-run:not([disabled])', '#hopper-run'],
  },
  {
    name: 'workbench',
    hash: '#/workbench?v=1',
    ready: '#bench-median',
    press: ['.editor[data-ready="true"]', '#bench-run:not([disabled])'],
  },
  { name: 'routing', hash: '#/routing?v=1', ready: '[data-ready="true"]' },
  { name: 'routing-balanced', hash: '#/routing?v=1&batch=60&redundant=4', ready: '[data-batch="60"]' },
  { name: 'deployment', hash: '#/deployment?v=1', ready: '[data-ready="true"] .timeline-picture' },
  {
    name: 'deployment-training',
    hash: '#/deployment?v=1&phase=training&nodes=8&why=32-redundant',
    ready: '[data-ready="true"] .timeline-picture',
  },
  {
    name: 'deployment-why',
    hash: '#/deployment?v=1&nodes=1&tokens=1024&why=20-sms',
    ready: '#why-outcome[data-question] table',
    press: ['#why-run'],
  },
  {
    name: 'studies',
    hash: '#/studies?v=1',
    ready: '[data-ready="true"] .study-chart',
    press: ['#study-run:not([disabled])'],
  },
];

const looks = [
  { name: 'light', width: 1280, scheme: 'light' },
  { name: 'dark', width: 1280, scheme: 'dark' },
  { name: 'narrow', width: 360, scheme: 'light' },
  { name: 'wide', width: 2200, scheme: 'light' },
];

const [folder, ...wanted] = process.argv.slice(2);
if (folder === undefined) {
  console.error('usage: node scripts/screenshots.mjs DIR [PAGE...]');
  process.exit(2);
}
mkdirSync(folder, { recursive: true });
async function picture(browser, address, view, look) {
  const page = await browser.newPage();
  await page.setViewport({ width: look.width, height: look.width > 600 ? 900 : 740 });
  await page.emulateMediaFeatures([{ name: 'prefers-color-scheme', value: look.scheme }]);
  await page.goto(`${address}${view.hash}`, { waitUntil: 'load' });
  for (const selector of view.press ?? []) {
    await (await page.waitForSelector(selector)).evaluate((button) => button.click());
  }
  await page
    .waitForSelector(view.ready, { timeout: 120_000 })
    .catch(() => console.error(`${view.name}: ${view.ready} did not come`));
  // The adapter is named a moment later than the page is there.
  await page.waitForFunction(() => document.querySelector('#adapter')?.dataset.kind !== 'looking', { timeout: 30_000 });
  await new Promise((done) => setTimeout(done, 700));
  // A canvas or an editor that was never in sight is not painted yet.
  await page.evaluate(async () => {
    for (const part of document.querySelectorAll('canvas, .editor')) {
      part.scrollIntoView();
      await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
    }
    scrollTo(0, 0);
  });
  const path = join(resolve(folder), `${view.name}-${look.name}.png`);
  await page.screenshot({ path, fullPage: true });
  console.log(path);
  await page.close();
}

await withPage(async (browser, address) => {
  for (const view of views.filter(({ name }) => wanted.length === 0 || wanted.includes(name))) {
    for (const look of looks) await picture(browser, address, view, look);
  }
});

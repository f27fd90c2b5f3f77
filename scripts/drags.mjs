// How smooth the playground stays while a slider is dragged: node scripts/drags.mjs [PAGE...]
// For each drag of 120 moves in two seconds: frames a second, and the longest tasks of the page's main thread in milliseconds of CPU.
import { readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { withPage } from './lib/open-page.mjs';

/** What is dragged: the link, what must be there first, and which slider (from 0) or canvas. */
const drags = [
  { name: 'quantize', hash: '#/quantize?v=1', ready: '[data-ready="true"] canvas[data-drawn]', at: 1 },
  {
    name: 'quantize, landscape',
    hash: '#/quantize?v=1',
    ready: '[data-ready="true"] canvas[data-drawn]',
    of: '.landscape canvas',
  },
  { name: 'tensor-core', hash: '#/tensor-core?v=1', ready: '#curve[data-ready="true"]' },
  { name: 'tensor-core, term', hash: '#/tensor-core?v=1', ready: '#curve[data-ready="true"]', at: 1 },
  { name: 'routing', hash: '#/routing?v=1', ready: '[data-ready="true"]' },
  { name: 'routing, redundant', hash: '#/routing?v=1', ready: '[data-ready="true"]', at: 4 },
  { name: 'deployment', hash: '#/deployment?v=1&nodes=1&tokens=512', ready: '[data-ready="true"] .timeline-picture' },
  {
    name: 'deployment, timeline',
    hash: '#/deployment?v=1&nodes=1&tokens=512',
    ready: '[data-ready="true"] .timeline-picture',
    of: '.timeline',
  },
];

const moves = 120;
const pause = (milliseconds) => new Promise((done) => setTimeout(done, milliseconds));

/** CPU milliseconds of the tasks of the thread that draws the page, longest first: the busiest renderer's main thread. */
function mainTasks(events) {
  const mains = events.filter(({ name, args }) => name === 'thread_name' && args.name === 'CrRendererMain');
  const tasksOf = ({ pid, tid }) =>
    events
      .filter((event) => event.pid === pid && event.tid === tid && event.ph === 'X' && event.name.endsWith('RunTask'))
      .map(({ tdur, dur }) => (tdur ?? dur) / 1000)
      .sort((a, b) => b - a);
  const sum = (tasks) => tasks.reduce((all, task) => all + task, 0);
  return mains.map(tasksOf).reduce((a, b) => (sum(b) > sum(a) ? b : a), []);
}

async function measure(browser, address, { name, hash, ready, of = '.controls input[type="range"]', at = 0 }) {
  const page = await browser.newPage();
  await page.setViewport({ width: 1280, height: 900 });
  await page.goto(`${address}${hash}`);
  await page.waitForSelector(ready, { timeout: 120_000 });
  // The adapter is probed meanwhile.
  await page.waitForFunction(() => /operations as IEEE/.test(document.querySelector('dialog')?.textContent ?? ''));
  const target = (await page.$$(of))[at];
  await target.evaluate((element) => element.scrollIntoView({ block: 'center', behavior: 'instant' }));
  const { x, y, width, height } = await target.boundingBox();
  await page.evaluate(() => {
    globalThis.frames = 0;
    const count = () => {
      globalThis.frames++;
      requestAnimationFrame(count);
    };
    requestAnimationFrame(count);
  });
  const path = join(tmpdir(), `fp8lab-drag-${process.pid}.json`);
  await page.mouse.move(x + width / 2, y + height / 2);
  await page.mouse.down();
  await page.tracing.start({ path, categories: ['toplevel', 'devtools.timeline'] });
  const began = performance.now();
  const before = await page.evaluate(() => globalThis.frames);
  for (let move = 1; move <= moves; move++) {
    await page.mouse.move(x + width * (0.5 + 0.3 * Math.sin(move / 12)), y + height / 2);
    await pause(Math.max(began + (2000 * move) / moves - performance.now(), 0));
  }
  const frames = (await page.evaluate(() => globalThis.frames)) - before;
  const seconds = (performance.now() - began) / 1000;
  await page.mouse.up();
  await page.tracing.stop();
  const longest = mainTasks(JSON.parse(readFileSync(path, 'utf8')).traceEvents).slice(0, 3);
  rmSync(path);
  await page.close();
  const tasks = longest.map((task) => task.toFixed(0)).join(', ');
  console.log(`${name}: ${(frames / seconds).toFixed(0)} frames/s, longest tasks ${tasks} ms of CPU`);
}

const wanted = process.argv.slice(2);
await withPage(async (browser, address) => {
  for (const drag of drags.filter(({ name }) => wanted.length === 0 || wanted.some((page) => name.startsWith(page))))
    await measure(browser, address, drag);
});

import type { Page, WebWorker } from 'puppeteer';
import { describe, expect, it } from 'vitest';
import { canvasColours, press, textOf, useSite, waitFor, waitForText } from './browser.ts';

const site = useSite();

/** A page that uses the GPU: what it says when all is well, and what makes it run (again). */
interface Case {
  readonly name: string;
  readonly link: string;
  /** Where the outcome is told, and what it says when the bits are right. */
  readonly outcome: string;
  readonly good: string;
  /** What says last that the page is at rest, where it is not the outcome. */
  readonly last?: string;
  /** Starts a run. */
  readonly run: string;
  /** Starts a run after one that failed. */
  readonly again: string;
  /** Part of the address of the worker that holds the device. */
  readonly worker: RegExp;
}

const cases: readonly Case[] = [
  {
    name: 'quantize',
    link: '#/quantize?v=1',
    outcome: '[data-check="left"]',
    good: 'gives the same 65,536 codes',
    last: '[data-check="right"]',
    run: '.controls input[type="range"]:not([disabled])',
    again: '[data-check="left"] [data-again]',
    worker: /gpu-worker/,
  },
  {
    name: 'parity',
    link: '#/parity?v=1&spec=quantize/dsv3-activation-1x128',
    outcome: '#spec-outcome',
    good: 'agree to the bit',
    run: '#spec-run:not([disabled])',
    again: '#spec-run:not([disabled])',
    worker: /gpu-worker/,
  },
  {
    name: 'routing',
    link: '#/routing?v=1',
    outcome: '#gate-check',
    good: 'makes the same 4,096 choices',
    run: '#balance-step',
    again: '#gate-check [data-again]',
    worker: /gpu-worker/,
  },
  {
    name: 'workbench',
    link: '#/workbench?v=1&spec=quantize/dsv3-activation-1x128',
    outcome: '#bench-outcome',
    good: 'have the reference’s bits',
    run: '#bench-run:not([disabled])',
    again: '#bench-run:not([disabled])',
    worker: /\/worker-/,
  },
];

async function workerOf(page: Page, { worker }: Case): Promise<WebWorker> {
  for (let i = 0; i < 100; i++) {
    const found = page.workers().find((each) => worker.test(each.url()));
    if (found !== undefined) return found;
    await new Promise((done) => setTimeout(done, 50));
  }
  throw new Error('the page has no such worker');
}

/** Presses; a slider is moved. */
const start = async (page: Page, selector: string): Promise<void> => {
  await waitFor(page, selector);
  await page.$eval(selector, (node) => {
    if (!(node instanceof HTMLInputElement)) return (node as HTMLElement).click();
    node.value = String(Number(node.value) + 1);
    node.dispatchEvent(new Event('input', { bubbles: true }));
  });
};

async function opened(each: Case): Promise<{ page: Page; complaints: string[]; worker: WebWorker }> {
  const { page, complaints } = await site.open(`${each.link}`);
  // The probe of the adapter uses the same device: it must not be the one that is hit.
  await waitForText(page, 'dialog', 'operations as IEEE 754 says');
  if (each.again === each.run) await waitFor(page, each.run);
  else await waitForText(page, each.last ?? each.outcome, each.good);
  return { page, complaints, worker: await workerOf(page, each) };
}

/** The device's buffers are as large as the adapter allows: no memory has room for them. Gives the way back. */
async function exhaustMemory(worker: WebWorker): Promise<() => Promise<void>> {
  await worker.evaluate(() => {
    const whole = GPUDevice.prototype.createBuffer;
    GPUDevice.prototype.createBuffer = function (this: GPUDevice, what) {
      return whole.call(this, { ...what, size: this.limits.maxBufferSize });
    };
    Object.assign(globalThis, { giveMemoryBack: () => Object.assign(GPUDevice.prototype, { createBuffer: whole }) });
  });
  return async () => {
    await worker.evaluate(() => void (globalThis as unknown as { giveMemoryBack: () => void }).giveMemoryBack());
  };
}

/** Destroys the device the moment that a run's next shader is on its way to it. */
const destroyInTheMiddle = (worker: WebWorker) =>
  worker.evaluate(() => {
    const submit = GPUQueue.prototype.submit;
    const begin = GPUDevice.prototype.createCommandEncoder;
    let device: GPUDevice | undefined;
    GPUDevice.prototype.createCommandEncoder = function (this: GPUDevice, ...what) {
      device = this;
      return begin.apply(this, what);
    };
    GPUQueue.prototype.submit = function (this: GPUQueue, ...what) {
      submit.apply(this, what);
      Object.assign(GPUQueue.prototype, { submit });
      Object.assign(GPUDevice.prototype, { createCommandEncoder: begin });
      device?.destroy();
    };
  });

describe.each(cases)('$name', (each) => {
  it('says that its device was lost in the middle of a run, that its memory does not do, and runs again after each', async () => {
    const { page, complaints, worker } = await opened(each);
    await destroyInTheMiddle(worker);
    await start(page, each.run);
    await waitForText(page, each.outcome, 'the GPU device was lost (destroyed)');
    await start(page, each.again);
    await waitForText(page, each.last ?? each.outcome, each.good);
    expect(complaints).toEqual([]);
    const giveBack = await exhaustMemory(worker);
    await start(page, each.run);
    await waitForText(page, each.outcome, 'the GPU device has no room for');
    await giveBack();
    await start(page, each.again);
    await waitForText(page, each.outcome, each.good);
    await page.close();
  });
});

describe('a driver that does not come back', () => {
  it('is left behind by Cancel, and the next run has a worker of its own', async () => {
    const each = cases.find(({ name }) => name === 'parity')!;
    const { page, worker } = await opened(each);
    worker
      .evaluate(() => {
        for (;;);
      })
      .catch(() => undefined);
    await start(page, each.run);
    await waitForText(page, '.task:not([hidden])', 'Running');
    await page.$$eval('.task:not([hidden]) button', ([cancel]) => cancel!.click());
    await start(page, each.again);
    await waitForText(page, each.outcome, each.good);
    await page.close();
  });
});

describe('the landscape', () => {
  it('is drawn without WebGPU once its device is lost', async () => {
    const { page, complaints } = await site.open('#/quantize?v=1');
    await waitFor(page, 'canvas[data-renderer="webgpu"][data-drawn]');
    await press(page, '#lose-device');
    await waitFor(page, 'canvas[data-renderer="canvas"][data-drawn]');
    expect(await canvasColours(page, '.landscape canvas')).toBeGreaterThan(50);
    expect(await textOf(page, '.landscape + div')).toContain('drawn without WebGPU');
    expect(complaints).toEqual([]);
    await page.close();
  });

  it('is drawn without WebGPU where the memory does not do', async () => {
    const page = await site.browser.newPage();
    await page.evaluateOnNewDocument(() => {
      const request = GPUAdapter.prototype.requestDevice;
      GPUAdapter.prototype.requestDevice = function (this: GPUAdapter) {
        return request.call(this, { requiredLimits: { maxBufferSize: this.limits.maxBufferSize } });
      };
      const create = GPUDevice.prototype.createBuffer;
      GPUDevice.prototype.createBuffer = function (this: GPUDevice, what) {
        return create.call(this, { ...what, size: this.limits.maxBufferSize });
      };
    });
    await page.goto(`${site.address}#/quantize?v=1`);
    await waitFor(page, 'canvas[data-renderer="canvas"][data-drawn]');
    expect(await canvasColours(page, '.landscape canvas')).toBeGreaterThan(50);
    await page.close();
  });
});

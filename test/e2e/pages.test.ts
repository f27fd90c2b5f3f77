import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Browser, ElementHandle, Page } from 'puppeteer';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { StaticServer } from '../../src/cli/static-server.ts';
import { blockSum, encode, modelPreset } from '../../src/index.ts';
import { formatValue } from '../../src/parity/lanes.ts';
import { deploymentView } from '../../src/playground/pages/deployment/model.ts';
import { type Block, blockText, type Settings } from '../../src/playground/pages/deployment/view.ts';
import { checkedSpecs } from '../../src/playground/pages/parity/selection.ts';
import { logitsOf, nextBias, placements, routeBatch } from '../../src/playground/pages/routing/model.ts';
import { layer } from '../../src/playground/pages/routing/view.ts';
import { operandsOf } from '../../src/playground/pages/tensor-core/model.ts';
import { shippedSpecs } from '../../src/playground/services/specs.ts';
import { deepseekScenario } from '../../src/simulate/published.ts';
import { simulate } from '../../src/simulate/simulate.ts';
import {
  accessibilityProblems,
  canvasColours,
  launch,
  open,
  press,
  servePage,
  textOf,
  waitFor,
  waitForText,
} from './browser.ts';

let server: StaticServer;
let address: string;
let browser: Browser;
let folder: string;
beforeAll(async () => {
  server = await servePage();
  address = server.address;
  browser = await launch('with');
  folder = mkdtempSync(join(tmpdir(), 'fp8lab-page-'));
});
afterAll(async () => {
  await browser.close();
  await server.close();
  rmSync(folder, { recursive: true, force: true });
});

const type = async (page: Page, selector: string, text: string): Promise<void> => {
  await page.$eval(selector, (input) => (input as HTMLInputElement).select());
  await page.type(selector, text);
};

describe('formats', () => {
  it('shows the code that the library encodes, for every kind of value', async () => {
    const { page, complaints } = await open(browser, `${address}#/formats?v=1`);
    for (const x of [0.3, -448, 1e9, 2 ** -10, 17]) {
      await type(page, '.controls input[type="text"]', String(x));
      const code = encode(Float32Array.of(x), 'e4m3')[0]!;
      await waitForText(page, '#code-hex', `0x${code.toString(16).toUpperCase().padStart(2, '0')}`);
    }
    expect(complaints).toEqual([]);
    await page.close();
  });

  it('flips bits by click, walks codes by keys, and follows the table', async () => {
    const { page } = await open(browser, `${address}#/formats?v=1&x=0`);
    // 2^(8 - 7): the highest exponent bit alone.
    await page.click('[data-bit="1"]');
    await waitForText(page, '#code-value', '2');
    await page.focus('[data-bit="1"]');
    await page.keyboard.press('ArrowUp');
    await waitForText(page, '#code-value', '2.25');
    await press(page, '[data-code="126"]');
    await waitForText(page, '#code-value', '448');
    expect(await page.evaluate(() => location.hash)).toContain('code=126');
    await page.close();
  });

  it('rounds stochastically up as often as the value lies up the step', async () => {
    const { page } = await open(browser, `${address}#/formats?v=1&x=1.03125&rounding=stochastic`);
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

/** A safetensors file of one tensor. */
function safetensors(name: string, dtype: string, shape: readonly number[], bytes: Uint8Array): string {
  const header = Buffer.from(JSON.stringify({ [name]: { dtype, shape, data_offsets: [0, bytes.length] } }));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(header.length));
  const path = join(folder, `${Math.random().toString(36).slice(2)}.safetensors`);
  writeFileSync(path, Buffer.concat([length, header, bytes]));
  return path;
}

const give = async (page: Page, path: string): Promise<void> => {
  const input = (await page.$('#file-input')) as ElementHandle<HTMLInputElement>;
  await input.uploadFile(path);
};

describe('quantize', () => {
  it('draws the matrix, the errors, the scales and the landscape, and the adapter gives the same codes', async () => {
    const { page, complaints } = await open(browser, `${address}#/quantize?v=1`);
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
    const { page } = await open(browser, `${address}#/quantize?v=1&generate=normal`);
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
    const { page, complaints, requests } = await open(browser, `${address}#/quantize?v=1`);
    const values = Float32Array.from({ length: 300 * 40 }, (_, i) => Math.sin(i));
    await give(page, safetensors('<b>weights</b>', 'F32', [300, 40], new Uint8Array(values.buffer)));
    await waitForText(page, '#source-text', 'rows 0 to 127, columns 0 to 39');
    expect(await textOf(page, '#source-text')).toContain('<b>weights</b>');
    expect(await page.$('#source-text b')).toBeNull();
    const broken = join(folder, 'broken.safetensors');
    writeFileSync(broken, Buffer.from([255, 255, 255, 255, 255, 255, 255, 127, 1, 2, 3]));
    await give(page, broken);
    await waitForText(page, '.file [role="alert"]', 'To mend it');
    await give(page, safetensors('counts', 'I64', [4], new Uint8Array(32)));
    await waitForText(page, '.file [role="alert"]', 'the file has no tensor of');
    expect(complaints).toEqual([]);
    expect(requests.every((url) => url.startsWith(address))).toBe(true);
    await page.close();
  });

  it('keeps its pictures when the window changes its size', async () => {
    const { page } = await open(browser, `${address}#/quantize?v=1&generate=uniform`, { width: 1200 });
    await waitFor(page, '[data-ready="true"]');
    await waitFor(page, 'canvas[data-drawn]');
    await page.setViewport({ width: 420, height: 800 });
    await page.waitForFunction(() => document.querySelector<HTMLCanvasElement>('.heat canvas')!.width < 420);
    expect(await canvasColours(page, '.heat canvas')).toBeGreaterThan(20);
    await page.close();
  });
});

describe('tensor core', () => {
  it('gives the sums of the library for every model', async () => {
    const { page, complaints } = await open(browser, `${address}#/tensor-core?v=1&operands=normal&seed=7`);
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
    const { page } = await open(browser, `${address}#/tensor-core?v=1&operands=spread`);
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
    const { page, complaints } = await open(browser, `${address}#/tensor-core?v=1&values=positive`);
    await waitFor(page, '#curve[data-ready="true"] .chart svg');
    const label = await page.$eval('#curve .chart svg', (svg) => svg.getAttribute('aria-label'));
    expect(label).toMatch(/Hopper, never moved out errs by [\d.]+ % at k = 8192/);
    expect((await page.$$('#curve [data-export="csv"]')).length).toBe(1);
    expect(complaints).toEqual([]);
    await page.close();
  });
});

describe('parity', () => {
  it('finds Hopper’s bits on this adapter by the quick check, says what it ran, and lets go of the long one', {
    timeout: 90_000,
  }, async () => {
    const { page, complaints } = await open(browser, `${address}#/parity?v=1`);
    await press(page, '#hopper-all');
    await waitForText(page, '#hopper .task:not([hidden])', 'Dot products recorded on an H100, e4m3');
    await page.$eval('#hopper .task button', (cancel) => (cancel as HTMLElement).click());
    await waitForText(page, '#hopper', 'Stopped.');
    await press(page, '#hopper-run:not([disabled])');
    await page.waitForSelector('#hopper[data-ready="quick"] .card', { timeout: 80_000 });
    const specs = checkedSpecs(shippedSpecs(), 'quick').length;
    const all = checkedSpecs(shippedSpecs(), 'all').length;
    const said = await page.$eval('.card', (card) => card.getAttribute('aria-label'));
    expect(said).toMatch(/^Yes: Hopper’s bits\. 1,000 of 1,000 dot products/);
    expect(said).toMatch(new RegExp(`\\. 0 of [\\d,]{7,} elements of ${specs} specs differ`));
    expect(said).toContain(`quick check: 1,000 of 5,000 recorded, ${specs} of ${all} specs`);
    expect(await textOf(page, '#hopper-extent')).toContain(`all 5,000 and ${all} specs`);
    expect(complaints).toEqual([]);
    await page.close();
  });

  it('marks what is wrong in a spec, refuses one that is too large, and runs what the author wrote', async () => {
    const spec = (shape: object) =>
      JSON.stringify({
        fp8lab: 1,
        kernel: 'quantize',
        name: 'mine',
        shape,
        x: { input: { generate: 'normal', seed: 5 } },
        scheme: 'mxfp8',
      });
    const link = (text: string) => `${address}#/parity?v=1&text=${encodeURIComponent(text)}`;
    const { page, complaints } = await open(browser, link(spec({ rows: 8, columns: 64 }).replace('mxfp8', 'mxfp9')));
    await waitForText(page, '#spec-verdict', 'did you mean mxfp4?');
    expect(await page.$eval('#spec-run', (button) => (button as HTMLButtonElement).disabled)).toBe(true);
    await page.waitForFunction(
      () => document.querySelector('.editor')?.shadowRoot?.querySelector('.cm-lintRange-error') !== null,
    );
    await page.evaluate((next) => location.assign(next), link(spec({ rows: 16384, columns: 16384 })));
    await waitForText(page, '#spec-verdict', 'a quantize spec');
    await press(page, '#spec-run:not([disabled])');
    await waitForText(page, '#spec-outcome', 'MiB of tensors; the page takes 256 MiB at most');
    await page.evaluate((next) => location.assign(next), link(spec({ rows: 8, columns: 64 })));
    await page.waitForFunction(() =>
      document
        .querySelector('.editor')
        ?.shadowRoot?.querySelector('.cm-content')
        ?.textContent?.includes('"columns":64'),
    );
    await waitForText(page, '#spec-verdict', 'a quantize spec');
    await press(page, '#spec-run:not([disabled])');
    await waitForText(page, '#spec-outcome', 'agree to the bit');
    await press(page, '#spec-outcome .heat canvas');
    await waitForText(page, '#spec-outcome', 'worked out');
    expect(complaints).toEqual([]);
    await page.close();
  });
});

describe('routing', () => {
  it('routes as the library does, on the adapter too, and balances step by step', async () => {
    const { page, complaints } = await open(browser, `${address}#/routing?v=1&skew=12`);
    const first = routeBatch(logitsOf({ skew: 12, temperature: 10, seed: 1 }, 0), new Float32Array(layer.experts));
    await waitForText(page, '#routing-facts', `mean${first.imbalance.toFixed(2)}`);
    await waitForText(page, '#gate-check', 'makes the same 4,096 choices');
    const { before, after } = placements(first, 2);
    expect(await textOf(page, '#placement')).toContain(`In order: busiest GPU ${before.imbalance.toFixed(2)}`);
    expect(await textOf(page, '#placement')).toContain(`Balanced: busiest GPU ${after.imbalance.toFixed(2)}`);
    await press(page, '#balance-step');
    const bias = nextBias(new Float32Array(layer.experts), first.load, 0.01);
    const second = routeBatch(logitsOf({ skew: 12, temperature: 10, seed: 1 }, 1), bias);
    await waitForText(page, '#routing-facts', `mean${second.imbalance.toFixed(2)}`);
    await press(page, '#balance-play');
    await waitFor(page, '[data-batch="4"]');
    await press(page, '#balance-play');
    // The address holds the batch: another tab comes to the same bias, step by step.
    const there = await textOf(page, '#routing-facts');
    const hash = await page.evaluate(() => location.hash);
    expect(hash).toMatch(/batch=\d/);
    const again = await open(browser, `${address}${hash}`);
    await waitFor(again.page, `[data-batch="${new URLSearchParams(hash.split('?')[1]).get('batch')}"]`);
    expect(await textOf(again.page, '#routing-facts')).toBe(there);
    await again.page.close();
    expect(complaints).toEqual([]);
    await page.close();
  });
});

const deployed: Settings = {
  hardware: 'h800',
  phase: 'prefill',
  nodes: 1,
  tokens: 512,
  context: 4096,
  sms: 12,
  overlap: true,
  redundant: 0,
  limit: 4,
  skew: 0,
  drift: 0,
  schedule: 'DualPipe',
  stages: 8,
  micros: 20,
};

describe('deployment', () => {
  const link = '#/deployment?v=1&nodes=1&tokens=512&sms=12';

  it('has the library’s numbers, and says each operation to the pointer and to the keyboard', async () => {
    const { page, complaints } = await open(browser, `${address}${link}`);
    await waitFor(page, '[data-ready="true"] .timeline-picture');
    const { result, timeline } = deploymentView(deployed);
    const facts = await textOf(page, '#deployment-facts');
    expect(facts).toContain(Math.round(result.tokensPerSecondPerNode).toLocaleString('en'));
    expect(await textOf(page, '#bottleneck')).toBe(result.bottleneck);
    expect(await textOf(page, '#deployment-busy')).toContain(`${(100 * result.utilization.commMean).toFixed(1)} %`);
    await page.focus('.timeline');
    await page.keyboard.press('0');
    for (const key of ['ArrowRight', 'ArrowRight', 'ArrowDown'] as const) await page.keyboard.press(key);
    const lane = (row: number): Block[] => timeline.blocks.filter((block) => block.lane === row);
    const [, second] = lane(0);
    const below = lane(1).find(({ end }) => end > (second!.start + second!.end) / 2)!;
    expect(await textOf(page, '.timeline-detail')).toBe(blockText(below, timeline.lanes[1]!, 'prefill'));
    await page.keyboard.press('ArrowUp');
    await waitForText(page, '.timeline-detail', 'GPU 0, compute (120 SMs)');
    expect(complaints).toEqual([]);
    await page.close();
  });

  it('zooms by wheel, buttons and two fingers, keeps what is in sight in the address, and fits a smaller window', async () => {
    const { page, complaints } = await open(browser, `${address}${link}`);
    await waitFor(page, '[data-ready="true"] .timeline-picture');
    const sight = (): Promise<number> =>
      page.evaluate(() => {
        const part = (name: string) => Number(new URLSearchParams(location.hash.split('?')[1]).get(name) ?? 0);
        return part('to') - part('from');
      });
    const settled = async (smaller: (now: number) => boolean): Promise<number> => {
      let now = await sight();
      for (let turn = 0; turn < 40 && !smaller(now); turn++) {
        await new Promise((done) => setTimeout(done, 100));
        now = await sight();
      }
      expect(smaller(now)).toBe(true);
      return now;
    };
    await press(page, '[data-zoom="all"]');
    await settled((now) => now === 1_000_000);
    await press(page, '[data-zoom="in"]');
    await settled((now) => now === 500_000);
    await page.$eval('.timeline', (stage) => stage.scrollIntoView({ block: 'center', behavior: 'instant' }));
    const box = (await (await page.$('.timeline'))!.boundingBox())!;
    await page.mouse.move(box.x + box.width / 2, box.y + 20);
    await page.mouse.wheel({ deltaY: -300 });
    const wheeled = await settled((now) => now < 400_000);
    const client = await page.createCDPSession();
    const touch = (type: 'touchStart' | 'touchMove' | 'touchEnd', apart: number) =>
      client.send('Input.dispatchTouchEvent', {
        type,
        touchPoints:
          type === 'touchEnd'
            ? []
            : [-1, 1].map((side, id) => ({ x: box.x + box.width / 2 + side * apart, y: box.y + 20, id })),
      });
    await touch('touchStart', 40);
    for (const apart of [60, 80, 120]) await touch('touchMove', apart);
    await touch('touchEnd', 0);
    await settled((now) => now < wheeled / 2);
    await page.setViewport({ width: 400, height: 800 });
    await page.waitForFunction(() => document.querySelector('.timeline-picture')!.clientWidth < 400);
    expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(400);
    expect(await accessibilityProblems(page)).toEqual([]);
    expect(complaints).toEqual([]);
    await page.close();
  });

  it('goes back and forth, tells bad links and what cannot be placed, and trains through a pipeline', async () => {
    const { page } = await open(browser, `${address}${link}&hardware=a100&phase=both&micros=7`);
    for (const words of [
      '"a100" is no value of "hardware"',
      '"both" is no value of "phase"',
      '"7" is no value of "micros"',
    ])
      expect(await textOf(page, '.notices')).toContain(words);
    await waitFor(page, '[data-ready="true"] .timeline-picture');
    const visit = (hash: string) => page.evaluate((next) => location.assign(next), hash);
    await visit('#/deployment?v=1&nodes=3');
    await waitForText(page, 'main [role="alert"]', 'do not divide by 24 GPUs');
    await visit('#/deployment?v=1&nodes=1&tokens=512&phase=training&stages=4&micros=8');
    await waitFor(page, '#pipeline-facts .facts');
    const { pipeline } = deploymentView({ ...deployed, sms: 20, phase: 'training', stages: 4, micros: 8 });
    expect(await textOf(page, '#pipeline-facts')).toContain(`${(100 * pipeline!.bubble).toFixed(1)} %`);
    await page.goBack();
    await waitForText(page, 'main [role="alert"]', 'do not divide by 24 GPUs');
    await page.goForward();
    await waitFor(page, '[data-ready="true"] #pipeline-facts .facts');
    await page.close();
  });

  it('is taken away as JSON, CSV, SVG and a trace, with the command', async () => {
    const { page } = await open(browser, `${address}${link}`);
    await waitFor(page, '[data-ready="true"] .timeline-picture');
    const client = await page.createCDPSession();
    await client.send('Browser.setDownloadBehavior', { behavior: 'allow', downloadPath: folder });
    const taken = async (kind: string, name: string): Promise<string> => {
      await press(page, `#deployment [data-export="${kind}"]`);
      const path = join(folder, name);
      for (let turn = 0; turn < 100 && !existsSync(path); turn++) await new Promise((done) => setTimeout(done, 100));
      return readFileSync(path, 'utf8');
    };
    const { result, trace, timeline } = deploymentView(deployed);
    const json = JSON.parse(await taken('json', 'fp8lab-deployment.json'));
    expect(json.result).toEqual(JSON.parse(JSON.stringify(result)));
    expect(json.command).toContain('--nodes 1 --tokens 512');
    expect((await taken('csv', 'fp8lab-deployment.csv')).trim().split('\r\n')).toHaveLength(timeline.blocks.length + 1);
    expect(JSON.parse(await taken('trace', 'fp8lab-deployment-trace.json'))).toEqual(JSON.parse(JSON.stringify(trace)));
    const svg = await taken('svg', 'fp8lab-deployment.svg');
    expect(svg.startsWith('<svg')).toBe(true);
    expect(svg.includes('var(')).toBe(false);
    await page.close();
  });

  it('answers why, shows how far it is, and stops when asked', async () => {
    const { page, complaints } = await open(browser, `${address}${link}&why=32-redundant`);
    await press(page, '#why-run');
    await waitForText(page, 'main', 'of 24 steps simulated');
    await page.$$eval('.task:not([hidden]) button', (buttons) => buttons.at(-1)!.click());
    await waitFor(page, '#why-run:not([disabled])');
    expect(await textOf(page, '#why-outcome')).toBe('');
    await page.evaluate((next) => location.assign(next), `${link}&why=20-sms`);
    await waitFor(page, 'input[value="20-sms"]:checked');
    await press(page, '#why-run');
    await waitFor(page, '#why-outcome[data-question="20-sms"] [data-export="svg"]');
    const rows = await page.$$eval('#why-outcome tbody tr', (found) =>
      found.map(({ cells }) => Array.from(cells, (cell) => cell.textContent)),
    );
    const prefill = rows.find(([name, value]) => name!.startsWith('prefill') && value === '20')!;
    const { result } = simulate(deepseekScenario({}));
    expect(prefill[2]).toBe(String(Math.round(result.tokensPerSecondPerNode)));
    expect(prefill[6]).toBe(result.bottleneck);
    expect(await accessibilityProblems(page)).toEqual([]);
    expect(complaints).toEqual([]);
    await page.close();
  });
});

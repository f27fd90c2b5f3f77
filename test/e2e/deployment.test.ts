import { existsSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { deploymentView } from '../../src/playground/pages/deployment/model.ts';
import { type Block, blockText, type Settings } from '../../src/playground/pages/deployment/view.ts';
import { deepseekScenario } from '../../src/simulate/published.ts';
import { simulate } from '../../src/simulate/simulate.ts';
import { accessibilityProblems, press, textOf, useSite, waitFor, waitForText } from './browser.ts';

const site = useSite();

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
    const { page, complaints } = await site.open(`${link}`);
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
    const { page, complaints } = await site.open(`${link}`);
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
    const { page } = await site.open(`${link}&hardware=a100&phase=both&micros=7`);
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
    const { page } = await site.open(`${link}`);
    await waitFor(page, '[data-ready="true"] .timeline-picture');
    const client = await page.createCDPSession();
    await client.send('Browser.setDownloadBehavior', { behavior: 'allow', downloadPath: site.folder });
    const taken = async (kind: string, name: string): Promise<string> => {
      await press(page, `#deployment [data-export="${kind}"]`);
      const path = join(site.folder, name);
      // The browser holds the name's place with an empty file until it has the whole one.
      const isThere = (): boolean => existsSync(path) && statSync(path).size > 0;
      for (let turn = 0; turn < 100 && !isThere(); turn++) await new Promise((done) => setTimeout(done, 100));
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
    const { page, complaints } = await site.open(`${link}&why=20-sms`);
    await press(page, '#why-run');
    await waitForText(page, 'main', 'of 36 steps simulated');
    await page.$$eval('.task:not([hidden]) button', (buttons) => buttons.at(-1)!.click());
    await waitFor(page, '#why-run:not([disabled])');
    expect(await textOf(page, '#why-outcome')).toBe('');
    await page.evaluate((next) => location.assign(next), `${link}&why=two-micro-batches`);
    await waitFor(page, 'input[value="two-micro-batches"]:checked');
    await press(page, '#why-run');
    await waitFor(page, '#why-outcome[data-question="two-micro-batches"] [data-export="svg"]');
    const rows = await page.$$eval('#why-outcome tbody tr', (found) =>
      found.map(({ cells }) => Array.from(cells, (cell) => cell.textContent)),
    );
    const prefill = rows.find(([name, micros]) => name!.startsWith('prefill') && micros === '2')!;
    const { result } = simulate(deepseekScenario({ redundant: 32 }));
    expect(prefill[3]).toBe(String(Math.round(result.tokensPerSecondPerNode)));
    expect(prefill[5]).toBe(result.bottleneck);
    expect(await accessibilityProblems(page)).toEqual([]);
    expect(complaints).toEqual([]);
    await page.close();
  });
});

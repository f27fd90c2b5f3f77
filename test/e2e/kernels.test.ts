import { describe, expect, it } from 'vitest';
import { checkedSpecs } from '../../src/playground/pages/parity/selection.ts';
import { logitsOf, nextBias, placements, routeBatch } from '../../src/playground/pages/routing/model.ts';
import { layer } from '../../src/playground/pages/routing/view.ts';
import { shippedSpecs } from '../../src/playground/services/specs.ts';
import { press, textOf, useSite, waitFor, waitForText } from './browser.ts';

const site = useSite();

describe('parity', () => {
  it('finds Hopper’s bits on this adapter by the quick check, says what it ran, and lets go of the long one', {
    timeout: 90_000,
  }, async () => {
    const { page, complaints } = await site.open('#/parity?v=1');
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
    const link = (text: string) => `#/parity?v=1&text=${encodeURIComponent(text)}`;
    const { page, complaints } = await site.open(link(spec({ rows: 8, columns: 64 }).replace('mxfp8', 'mxfp9')));
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
    expect(await textOf(page, '#spec-outcome')).toMatch(/\d ms, [\d.]+ of them compiling/);
    await press(page, '#spec-outcome .heat canvas');
    await waitForText(page, '#spec-outcome', 'worked out');
    expect(await textOf(page, '#spec-outcome')).toContain('mine: the adapter');
    expect(await page.$('.outdated:not([hidden])')).toBeNull();
    await page.evaluate((next) => location.assign(next), link(spec({ rows: 9, columns: 64 })));
    await waitFor(page, '.outdated:not([hidden])');
    expect(complaints).toEqual([]);
    await page.close();
  });
});

describe('routing', () => {
  it('routes as the library does, on the adapter too, and balances step by step', async () => {
    const { page, complaints } = await site.open('#/routing?v=1&skew=12');
    const first = routeBatch(logitsOf({ skew: 12, temperature: 10, seed: 1 }, 0), new Float32Array(layer.experts));
    await waitForText(page, '#routing-facts', `mean${first.imbalance.toFixed(2)}`);
    await waitForText(page, '#gate-check', 'makes the same 4,096 choices');
    const { before, after } = placements(first, 2);
    expect(await textOf(page, '#placement')).toContain(`In order: busiest GPU ${before.imbalance.toFixed(2)}`);
    const sent = before.traffic.nodeTokens[0]!.map((count, node) => (node === 0 ? '–' : String(count)));
    expect(await textOf(page, '#node-traffic tbody tr')).toContain(`node 0${sent.join('')}`);
    expect(await textOf(page, '#placement')).toContain(`Balanced: busiest GPU ${after.imbalance.toFixed(2)}`);
    await press(page, '#balance-step');
    const bias = nextBias(new Float32Array(layer.experts), first.load, 0.01);
    const second = routeBatch(logitsOf({ skew: 12, temperature: 10, seed: 1 }, 1), bias);
    await waitForText(page, '#routing-facts', `mean${second.imbalance.toFixed(2)}`);
    await press(page, '#balance-play');
    // A busy worker may take two steps at once.
    await page.waitForFunction(() => Number(document.querySelector<HTMLElement>('[data-batch]')?.dataset.batch) >= 4);
    await press(page, '#balance-play');
    // The address holds the batch: another tab comes to the same bias, step by step.
    await page.waitForFunction(
      () =>
        document.querySelector<HTMLElement>('[data-batch]')?.dataset.batch ===
        new URLSearchParams(location.hash.split('?')[1]).get('batch'),
    );
    const hash = await page.evaluate(() => location.hash);
    const there = await textOf(page, '#routing-facts');
    expect(hash).toMatch(/batch=\d/);
    const again = await site.open(hash);
    await waitFor(again.page, `[data-batch="${new URLSearchParams(hash.split('?')[1]).get('batch')}"]`);
    expect(await textOf(again.page, '#routing-facts')).toBe(there);
    await again.page.close();
    expect(complaints).toEqual([]);
    await page.close();
  });
});
